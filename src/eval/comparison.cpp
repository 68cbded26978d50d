#include "src/eval/comparison.hpp"

#include <cmath>
#include <cstddef>

namespace anemll {
namespace {

using Value = double (*)(const PositionScore&);

double kl_of(const PositionScore& s) {
  return s.kl;
}
double nll_of(const PositionScore& s) {
  return s.student_nll;
}
double top1_of(const PositionScore& s) {
  return s.same_top1;
}
double top5_of(const PositionScore& s) {
  return s.same_top5;
}

/// The sums of a figure, chunk by chunk; with `less` of the difference to another model's.
std::vector<ChunkSum> chunk_sums(const TextScorer& scorer, const TextScores& scores, Value value,
                                 const TextScores* less = nullptr) {
  std::vector<ChunkSum> sums(static_cast<std::size_t>(scorer.chunks()));
  for (std::size_t chunk = 0; chunk < sums.size(); ++chunk) {
    for (std::size_t slot = scorer.first_slot(chunk); slot < scorer.first_slot(chunk + 1); ++slot) {
      const PositionScore& score = scores.positions[slot];
      if (score.counted == 0) continue;
      sums[chunk].sum += value(score) - (less == nullptr ? 0 : value(less->positions[slot]));
      sums[chunk].count += 1;
    }
  }
  return sums;
}

Estimate estimate(const std::vector<ChunkSum>& sums, const BootstrapOptions& options) {
  return {mean_of(sums), bootstrap_mean(sums, options)};
}

constexpr int kRanges = 24, kRangesOfTen = 4;
constexpr double kLowestEdge = 1e-5;

std::vector<std::int64_t> histogram(std::span<const PositionScore> positions) {
  const std::vector<double> edges = kl_histogram_edges();
  std::vector<std::int64_t> counts(kRanges, 0);
  for (const PositionScore& score : positions) {
    if (score.counted == 0) continue;
    std::size_t range = 0;
    while (range + 1 < counts.size() && !(score.kl < edges[range + 1])) ++range;
    ++counts[range];
  }
  return counts;
}

std::vector<ChunkSum> minus(const std::vector<ChunkSum>& a, const std::vector<ChunkSum>& b) {
  std::vector<ChunkSum> out = a;
  for (std::size_t i = 0; i < out.size(); ++i) out[i].sum -= b[i].sum;
  return out;
}

constexpr double kMebibyte = 1024.0 * 1024.0;

Figure known(double value) {
  return std::isnan(value) ? Figure() : Figure(value);
}
Figure text_figure(const ModelRow& row, double value) {
  return row.text ? Figure(value) : Figure();
}
Figure compared(const ModelRow& row, double value) {
  return row.compared ? Figure(value) : Figure();
}
Figure bound(bool there, double value) {
  return there ? known(value) : Figure();
}
Figure answered(const ModelRow& row, double value) {
  return row.questions > 0 ? Figure(value) : Figure();
}

constexpr auto kNats = "nats";
constexpr auto kKl = "KL to the teacher, nats";
constexpr auto kAgreement = "agreement with the teacher";
constexpr auto kPerplexity = "perplexity";
constexpr auto kSize = "size and speed";
constexpr auto kChoices = "multiple choice";

using M = ModelRow;
constexpr Column<M> kModelColumns[] = {
    {"", "model", "", "as it was named", Shown::text, [](const M& r) { return Figure(r.model); }},
    {kKl, "kl", kNats, "mean over positions", Shown::number,
     [](const M& r) { return compared(r, r.kl.mean); }},
    {kKl, "kl_low", kNats, "lower end of its interval", Shown::number,
     [](const M& r) { return bound(r.compared, r.kl.interval.low); }},
    {kKl, "kl_high", kNats, "upper end of its interval", Shown::number,
     [](const M& r) { return bound(r.compared, r.kl.interval.high); }},
    {kKl, "kl_median", kNats, "of the positions", Shown::number,
     [](const M& r) { return r.compared ? Figure(r.text->median) : Figure(); }},
    {kKl, "kl_p90", kNats, "90% of the positions have less", Shown::number,
     [](const M& r) { return r.compared ? Figure(r.text->p90) : Figure(); }},
    {kKl, "kl_p99", kNats, "99% have less", Shown::number,
     [](const M& r) { return r.compared ? Figure(r.text->p99) : Figure(); }},
    {kKl, "kl_p999", kNats, "99.9% have less", Shown::number,
     [](const M& r) { return r.compared ? Figure(r.text->p999) : Figure(); }},
    {"", "kl_histogram", "", "positions in each range of kl_histogram_edges", Shown::bars,
     [](const M& r) { return r.compared ? Figure(r.kl_histogram) : Figure(); }},
    {kAgreement, "top1", "", "share of positions with the same likeliest token", Shown::percent,
     [](const M& r) { return compared(r, r.top1.mean); }},
    {kAgreement, "top1_low", "", "lower end of its interval", Shown::percent,
     [](const M& r) { return bound(r.compared, r.top1.interval.low); }},
    {kAgreement, "top1_high", "", "upper end of its interval", Shown::percent,
     [](const M& r) { return bound(r.compared, r.top1.interval.high); }},
    {kAgreement, "top5", "", "share with the teacher's likeliest token among the model's first five",
     Shown::percent, [](const M& r) { return compared(r, r.top5.mean); }},
    {kAgreement, "top5_low", "", "lower end of its interval", Shown::percent,
     [](const M& r) { return bound(r.compared, r.top5.interval.low); }},
    {kAgreement, "top5_high", "", "upper end of its interval", Shown::percent,
     [](const M& r) { return bound(r.compared, r.top5.interval.high); }},
    {kPerplexity, "perplexity", "", "exp of the mean negative logarithm of the likelihood", Shown::number,
     [](const M& r) { return text_figure(r, std::exp(r.nll.mean)); }},
    {kPerplexity, "perplexity_low", "", "lower end of its interval", Shown::number,
     [](const M& r) { return bound(r.text.has_value(), std::exp(r.nll.interval.low)); }},
    {kPerplexity, "perplexity_high", "", "upper end of its interval", Shown::number,
     [](const M& r) { return bound(r.text.has_value(), std::exp(r.nll.interval.high)); }},
    {kPerplexity, "ln_ratio", kNats, "logarithm of the perplexity over the teacher's", Shown::number,
     [](const M& r) { return r.compared ? Figure(r.text->student_nll - r.text->teacher_nll) : Figure(); }},
    {kPerplexity, "teacher_perplexity", "", "of the teacher on the same positions", Shown::number,
     [](const M& r) { return r.compared ? Figure(std::exp(r.text->teacher_nll)) : Figure(); }},
    {kPerplexity, "positions", "", "that were scored", Shown::number,
     [](const M& r) { return r.text ? Figure(r.text->positions) : Figure(); }},
    {kPerplexity, "chunks", "", "that they stand in", Shown::number,
     [](const M& r) { return r.text ? Figure(r.chunks) : Figure(); }},
    {kChoices, "accuracy", "", "share of questions whose answer is the likeliest choice", Shown::percent,
     [](const M& r) { return answered(r, r.accuracy.mean); }},
    {kChoices, "accuracy_low", "", "lower end of its interval", Shown::percent,
     [](const M& r) { return bound(r.questions > 0, r.accuracy.interval.low); }},
    {kChoices, "accuracy_high", "", "upper end of its interval", Shown::percent,
     [](const M& r) { return bound(r.questions > 0, r.accuracy.interval.high); }},
    {kChoices, "normalised", "", "the same, likeliest by character", Shown::percent,
     [](const M& r) { return answered(r, r.normalised_accuracy.mean); }},
    {kChoices, "normalised_low", "", "lower end of its interval", Shown::percent,
     [](const M& r) { return bound(r.questions > 0, r.normalised_accuracy.interval.low); }},
    {kChoices, "normalised_high", "", "upper end of its interval", Shown::percent,
     [](const M& r) { return bound(r.questions > 0, r.normalised_accuracy.interval.high); }},
    {kChoices, "questions", "", "that were asked", Shown::number,
     [](const M& r) { return r.questions > 0 ? Figure(r.questions) : Figure(); }},
    {kSize, "bits_per_weight", "bits", "of a weight in the linears of the layers", Shown::number,
     [](const M& r) { return Figure(r.size.bits_per_weight()); }},
    {kSize, "packed_mib", "MiB", "all weights, embedding included, as the format packs them", Shown::number,
     [](const M& r) { return Figure(r.size.packed_bytes() / kMebibyte); }},
    {kSize, "file_mib", "MiB", "of the files", Shown::number,
     [](const M& r) { return Figure(static_cast<double>(r.size.file_bytes) / kMebibyte); }},
    {kSize, "tokens_per_s", "1/s", "of the forward passes in fp32, without the head", Shown::number,
     [](const M& r) { return r.tokens_per_s > 0 ? Figure(r.tokens_per_s) : Figure(); }},
};

Figure mean_of(const std::optional<Estimate>& e) {
  return e ? Figure(e->mean) : Figure();
}
Figure low_of(const std::optional<Estimate>& e) {
  return e ? known(e->interval.low) : Figure();
}
Figure high_of(const std::optional<Estimate>& e) {
  return e ? known(e->interval.high) : Figure();
}

constexpr auto kPairs = "differences, second minus first, on the same chunks";

using P = PairRow;
constexpr Column<P> kPairColumns[] = {
    {"", "pair", "", "second - first", Shown::text,
     [](const P& r) { return Figure(r.second + " - " + r.first); }},
    {"", "first", "", "", Shown::text, [](const P& r) { return Figure(r.first); }},
    {"", "second", "", "", Shown::text, [](const P& r) { return Figure(r.second); }},
    {kPairs, "kl", kNats, "of the means", Shown::number, [](const P& r) { return mean_of(r.kl); }},
    {kPairs, "kl_low", kNats, "lower end", Shown::number, [](const P& r) { return low_of(r.kl); }},
    {kPairs, "kl_high", kNats, "upper end", Shown::number, [](const P& r) { return high_of(r.kl); }},
    {kPairs, "ln_perplexity", kNats, "of the logarithms", Shown::number,
     [](const P& r) { return mean_of(r.nll); }},
    {kPairs, "ln_perplexity_low", kNats, "lower end", Shown::number,
     [](const P& r) { return low_of(r.nll); }},
    {kPairs, "ln_perplexity_high", kNats, "upper end", Shown::number,
     [](const P& r) { return high_of(r.nll); }},
    {kPairs, "top1", "", "of the shares", Shown::percent, [](const P& r) { return mean_of(r.top1); }},
    {kPairs, "top1_low", "", "lower end", Shown::percent, [](const P& r) { return low_of(r.top1); }},
    {kPairs, "top1_high", "", "upper end", Shown::percent, [](const P& r) { return high_of(r.top1); }},
    {kPairs, "accuracy", "", "of the shares of right answers", Shown::percent,
     [](const P& r) { return mean_of(r.accuracy); }},
    {kPairs, "accuracy_low", "", "lower end", Shown::percent, [](const P& r) { return low_of(r.accuracy); }},
    {kPairs, "accuracy_high", "", "upper end", Shown::percent,
     [](const P& r) { return high_of(r.accuracy); }},
};

}  // namespace

std::vector<double> kl_histogram_edges() {
  std::vector<double> edges;
  for (int i = 0; i <= kRanges; ++i)
    edges.push_back(kLowestEdge * std::pow(10.0, static_cast<double>(i) / kRangesOfTen));
  return edges;
}

std::span<const Column<ModelRow>> model_columns() {
  return kModelColumns;
}
std::span<const Column<PairRow>> pair_columns() {
  return kPairColumns;
}

ModelRow model_row(const ModelResult& result, const ComparedText* text, const BootstrapOptions& options) {
  ModelRow row;
  row.model = result.name;
  row.size = result.size;
  if (text != nullptr && result.scores) {
    const TextScores& scores = *result.scores;
    const auto of = [&](Value value) { return estimate(chunk_sums(text->scorer, scores, value), options); };
    row.text = summarise(scores.positions);
    row.compared = text->has_teacher;
    row.chunks = text->scorer.chunks();
    row.nll = of(nll_of);
    if (row.compared) {
      row.kl = of(kl_of);
      row.top1 = of(top1_of);
      row.top5 = of(top5_of);
      row.kl_histogram = histogram(scores.positions);
    }
    if (scores.seconds > 0) row.tokens_per_s = static_cast<double>(text->scorer.tokens()) / scores.seconds;
  }
  if (result.choices) {
    row.questions = static_cast<std::int64_t>(result.choices->plain.size());
    row.accuracy = estimate(result.choices->plain, options);
    row.normalised_accuracy = estimate(result.choices->normalised, options);
  }
  return row;
}

std::vector<PairRow> pair_rows(std::span<const ModelResult> results, const ComparedText* text,
                               const BootstrapOptions& options) {
  std::vector<PairRow> rows;
  for (std::size_t i = 0; i < results.size(); ++i) {
    for (std::size_t j = i + 1; j < results.size(); ++j) {
      const ModelResult& first = results[i];
      const ModelResult& second = results[j];
      PairRow row{first.name, second.name, {}, {}, {}, {}};
      if (text != nullptr && first.scores && second.scores) {
        const auto of = [&](Value value) {
          return estimate(chunk_sums(text->scorer, *second.scores, value, &*first.scores), options);
        };
        row.nll = of(nll_of);
        if (text->has_teacher) {
          row.kl = of(kl_of);
          row.top1 = of(top1_of);
        }
      }
      if (first.choices && second.choices)
        row.accuracy = estimate(minus(second.choices->plain, first.choices->plain), options);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

}  // namespace anemll
