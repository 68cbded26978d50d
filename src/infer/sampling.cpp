// Arithmetic is float where that of transformers is, so that cuts fall between the same tokens.
#include "src/infer/sampling.hpp"

#include "anemll/core/error.hpp"
#include "src/core/rng.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <vector>

namespace anemll {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr std::uint64_t kTokenStream = 0x746f6b656e73;

void require_finite_logits(std::span<const float> scores) {
  for (const float score : scores) {
    if (!std::isfinite(score))
      throw_numerics("the model's output is not a finite number", "logits of the next token",
                     "'anemll_inspect check' looks for bad values in a checkpoint");
  }
}

}  // namespace

void penalise_repetition(std::span<float> scores, std::span<const std::int32_t> ids, double penalty) {
  const auto factor = static_cast<float>(penalty);
  if (factor == 1) return;
  std::vector<bool> done(scores.size());
  for (const std::int32_t id : ids) {
    const auto i = static_cast<std::size_t>(id);
    if (done[i]) continue;
    done[i] = true;
    scores[i] = scores[i] < 0 ? scores[i] * factor : scores[i] / factor;
  }
}

void apply_temperature(std::span<float> scores, double temperature) {
  const auto divisor = static_cast<float>(temperature);
  if (divisor == 1) return;
  for (float& score : scores) score /= divisor;
}

void keep_top_k(std::span<float> scores, std::int64_t k) {
  if (k <= 0 || k >= static_cast<std::int64_t>(scores.size())) return;
  std::vector<float> sorted(scores.begin(), scores.end());
  std::nth_element(sorted.begin(), sorted.begin() + (k - 1), sorted.end(), std::greater<>());
  const float least = sorted[static_cast<std::size_t>(k - 1)];
  for (float& score : scores) {
    if (score < least) score = kNever;
  }
}

void keep_top_p(std::span<float> scores, double p) {
  if (p >= 1) return;
  std::vector<std::size_t> order;  // what has been cut already has no probability
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] != kNever) order.push_back(i);
  }
  if (order.empty()) return;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });
  const float largest = scores[order.back()];
  double total = 0;
  for (const std::size_t i : order) total += std::exp(scores[i] - largest);
  const auto limit = static_cast<float>(1 - p);
  double sum = 0;
  order.pop_back();  // the likeliest stays
  for (const std::size_t i : order) {
    sum += std::exp(scores[i] - largest) / total;
    if (static_cast<float>(sum) > limit) break;
    scores[i] = kNever;
  }
}

void process_scores(std::span<float> scores, std::span<const std::int32_t> ids,
                    const SamplingOptions& options) {
  penalise_repetition(scores, ids, options.repetition_penalty);
  if (options.greedy()) return;
  apply_temperature(scores, options.temperature);
  keep_top_k(scores, options.top_k);
  keep_top_p(scores, options.top_p);
}

std::int32_t likeliest(std::span<const float> scores) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < scores.size(); ++i) {
    if (scores[i] > scores[best]) best = i;
  }
  return static_cast<std::int32_t>(best);
}

std::int32_t draw(std::span<const float> scores, double uniform) {
  const auto best = static_cast<std::size_t>(likeliest(scores));
  const float largest = scores[best];
  double total = 0;
  for (const float score : scores) {
    if (score != kNever) total += std::exp(score - largest);
  }
  double left = uniform * total;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] == kNever) continue;
    left -= std::exp(scores[i] - largest);
    if (left < 0) return static_cast<std::int32_t>(i);
  }
  return static_cast<std::int32_t>(best);  // rounding ate the last step
}

std::int32_t Sampler::next(std::span<float> scores, std::span<const std::int32_t> ids) {
  require_finite_logits(scores);
  process_scores(scores, ids, options_);
  if (options_.greedy()) return likeliest(scores);
  return draw(scores, CounterRng(seed_, kTokenStream).uniform(drawn_++));
}

}  // namespace anemll
