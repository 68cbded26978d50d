// What a conversion did to a model: its KD loss before and after, and how it continues a prompt.
#pragma once

#include "anemll/core/options.hpp"
#include "anemll/model/model_files.hpp"
#include "src/distill/sample_scores.hpp"
#include "src/student/student.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace anemll {

struct ConvertEvalOptions {
  bool on = false;
  std::optional<std::string> cache_dir;
  std::int64_t samples = 40;
  std::string prompt = "What is 2+2?";
  std::int64_t max_tokens = 50;  ///< 0: the losses alone
};
void add_eval_options(OptionTable& table, ConvertEvalOptions& options);
/// Usage error for --eval without a cache; tells what has no effect.
void check_eval_options(const ConvertEvalOptions& options, const OptionTable& table);

class ConvertEval {
 public:
  /// Reads the samples (.pt shards are imported once under `work_dir`) and the tokenizer. Data errors: a
  /// cache of another model.
  ConvertEval(const ConvertEvalOptions& options, const OpenModel& model,
              const std::filesystem::path& work_dir);
  ~ConvertEval();

  /// The losses of both, and the greedy continuation by `after`, as lines.
  std::string compare(Student& before, Student& after) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace anemll
