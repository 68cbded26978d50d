// What the scores of several models amount to: figures of each with intervals, differences of each two, and
// parts by source, position and kind of token. A row and a table of columns each, as in
// src/inspect/figure.hpp.
#pragma once

#include "anemll/text/tokenizer.hpp"
#include "src/eval/choices.hpp"
#include "src/eval/eval_text.hpp"
#include "src/eval/model_size.hpp"
#include "src/inspect/figure.hpp"
#include "src/score/bootstrap.hpp"
#include "src/score/text_score.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anemll {

/// What is known of one model.
struct ModelResult {
  std::string name;
  ModelSize size;
  std::optional<TextScores> scores;     ///< none without a text
  std::optional<ChoiceResult> choices;  ///< none without questions
};

/// The text that all were scored on.
struct ComparedText {
  const EvalText& text;
  const TextScorer& scorer;
  bool has_teacher = false;
  const Tokenizer* tokenizer = nullptr;  ///< null: no kinds of tokens
};

/// A mean and the interval of it.
struct Estimate {
  double mean = 0;
  Interval interval;
};

struct ModelRow {
  std::string model;
  ModelSize size;
  std::optional<DivergenceSummary> text;
  bool compared = false;  ///< with a teacher
  Estimate kl, top1, top5, nll;
  std::vector<std::int64_t> kl_histogram;  ///< positions in each range of kl_histogram_edges
  std::int64_t chunks = 0;
  double tokens_per_s = 0;
  std::int64_t questions = 0;
  Estimate accuracy, normalised_accuracy;
};
/// Borders of the ranges in nats, one more than there are ranges: four a power of ten. The first range also
/// holds what is less (rounding makes divergences just below 0), the last what is more and what is no number.
std::vector<double> kl_histogram_edges();
std::span<const Column<ModelRow>> model_columns();
/// `text` may be null: there is none.
ModelRow model_row(const ModelResult& result, const ComparedText* text, const BootstrapOptions& options);

/// The second minus the first, on the same chunks and questions.
struct PairRow {
  std::string first, second;
  std::optional<Estimate> kl, nll, top1, accuracy;
};
std::span<const Column<PairRow>> pair_columns();
std::vector<PairRow> pair_rows(std::span<const ModelResult> results, const ComparedText* text,
                               const BootstrapOptions& options);

struct PartRow {
  std::string model;
  std::string by;    ///< "source", "position", "token"
  std::string part;  ///< which of these
  DivergenceSummary summary;
  bool compared = false;
};
std::span<const Column<PartRow>> part_columns();
/// By source where there are several, by eighths of the longest chunk, by kind of the token to be predicted.
/// Parts without a position are left out.
std::vector<PartRow> part_rows(const ModelResult& result, const ComparedText& text);

}  // namespace anemll
