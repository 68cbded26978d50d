// From logits to a token: what changes the logits, in the order of the Python library transformers, and the
// choice. Host arrays of one position; no decoder here. One thread.
#pragma once

#include <cstdint>
#include <span>

namespace anemll {

struct SamplingOptions {
  double temperature = 1;         ///< 0: greedy
  double repetition_penalty = 1;  ///< > 0; 1: none
  std::int64_t top_k = 0;         ///< 0: all
  double top_p = 1;               ///< 0 to 1; 1: all

  bool greedy() const { return temperature == 0; }
};

/// Divides positive scores of the tokens in `ids` by `penalty` and multiplies negative ones by it, once for
/// each token however often it occurs. Ids lie within `scores`.
void penalise_repetition(std::span<float> scores, std::span<const std::int32_t> ids, double penalty);
/// Divides all scores. `temperature` > 0.
void apply_temperature(std::span<float> scores, double temperature);
/// -infinity for all scores below the k-th largest; equal ones stay.
void keep_top_k(std::span<float> scores, std::int64_t k);
/// -infinity for the least likely tokens that together have at most 1 - p of the probability. Of equal ones
/// the lower ids go first; the likeliest token stays.
void keep_top_p(std::span<float> scores, double p);

/// All of these that `options` asks for: repetition penalty, then, unless the choice is greedy, temperature,
/// top k, top p. A greedy choice needs no more than the first.
void process_scores(std::span<float> scores, std::span<const std::int32_t> ids,
                    const SamplingOptions& options);

/// The id of the largest score, of equal ones the first.
std::int32_t likeliest(std::span<const float> scores);
/// The id at `uniform`, of [0, 1), on the line of probabilities in the order of ids.
std::int32_t draw(std::span<const float> scores, double uniform);

/// Chooses one token after another; a seed gives the same ones for the same scores.
class Sampler {
 public:
  Sampler(const SamplingOptions& options, std::uint64_t seed) : options_(options), seed_(seed) {}

  /// `scores`: logits of the next token, changed by the processors. `ids`: the text so far, prompt included.
  /// Numerics error where a logit is NaN or infinite.
  std::int32_t next(std::span<float> scores, std::span<const std::int32_t> ids);

 private:
  SamplingOptions options_;
  std::uint64_t seed_;
  std::uint64_t drawn_ = 0;
};

}  // namespace anemll
