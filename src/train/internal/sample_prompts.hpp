// --sample-prompts: what the student answers to a few prompts at each evaluation, for people to read. Rank 0
// only, one thread. Greedy, so nothing is drawn, and training goes on as without.
#pragma once

#include "anemll/model/model_files.hpp"
#include "src/model/decoder.hpp"
#include "src/train/internal/metrics_sink.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

namespace anemll {

class SamplePrompts {
 public:
  /// Reads the file, and of the model what concerns text. Data errors: a prompt that the model cannot take, a
  /// model without a tokenizer, a chat template that is not known.
  SamplePrompts(const std::filesystem::path& file, const OpenModel& opened, std::int64_t tokens);
  ~SamplePrompts();
  SamplePrompts(const SamplePrompts&) = delete;
  SamplePrompts& operator=(const SamplePrompts&) = delete;

  /// In the order of the file. A signal ends it early: what is there then is not to be told.
  std::vector<SampleAnswer> answers(Decoder& student) const;

 private:
  struct Text;
  std::unique_ptr<Text> text_;
};

}  // namespace anemll
