// Everything that anemll_eval can be told.
#pragma once

#include "anemll/core/choices.hpp"
#include "anemll/core/options.hpp"
#include "anemll/datasets/dataset.hpp"
#include "src/core/option_effects.hpp"
#include "src/eval/eval_text.hpp"
#include "src/score/bootstrap.hpp"
#include "src/source/recorded_model.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anemll {

inline constexpr auto kWindowKinds = std::to_array<Choice<WindowKind>>({
    {WindowKind::halves, "halves"},
    {WindowKind::sliding, "sliding"},
    {WindowKind::batched, "batched"},
});
constexpr std::span<const Choice<WindowKind>> choices_of(WindowKind) {
  return kWindowKinds;
}

inline constexpr auto kCacheParts = std::to_array<Choice<CachePart>>({
    {CachePart::training, "training"},
    {CachePart::holdout, "holdout"},
});
constexpr std::span<const Choice<CachePart>> choices_of(CachePart) {
  return kCacheParts;
}

struct EvalOptions {
  std::vector<std::string> models;
  ModelFlags model;
  std::optional<std::string> teacher, tokenizer;
  bool no_teacher = false;

  std::vector<std::string> texts, records, caches;
  std::optional<std::string> choices;
  std::int64_t questions = 0;  ///< 0: all
  EvalTextOptions text;
  CachePart cache_part = CachePart::training;
  std::string work_dir = ".";

  BootstrapOptions bootstrap;
  std::int64_t seed = 0;  ///< of it
  bool parts = false;
  bool json = false;
  bool markdown = false;
  std::vector<std::string> outputs;
  bool overwrite = false;
  std::int64_t threads = 0;
  double work_timeout = 1800;

  /// Texts are cut into windows; sequences of a cache are as long as they are.
  bool has_windows() const { return !texts.empty() || !records.empty(); }
  bool has_text() const { return has_windows() || !caches.empty(); }
};

OptionTable make_eval_table(EvalOptions& options);
/// Usage errors for what cannot be meant together, and for a command with nothing to score.
void check_eval_options(const EvalOptions& options);
std::vector<OptionEffect<EvalOptions>> eval_option_effects();

}  // namespace anemll
