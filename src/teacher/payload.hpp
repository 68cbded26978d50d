// What the teacher says about the supervised positions of some sequences, in the element types of a cache.
#pragma once

#include <cstdint>
#include <vector>

namespace anemll {

/// N = rows * S positions in order; arrays that were not asked for are empty.
struct TeacherPayload {
  std::int64_t rows = 0;
  std::vector<std::int32_t> topk_idx;      ///< [N, K], best first
  std::vector<std::uint16_t> topk_logits;  ///< [N, K] binary16
  std::vector<std::int32_t> rand_idx;      ///< [N, R]
  std::vector<std::uint16_t> rand_logits;  ///< [N, R] binary16
  std::vector<float> lse_t1;               ///< [N] logsumexp of the logits
  std::vector<float> lse_train;            ///< [N] logsumexp of logits / T
  std::vector<std::uint16_t> hidden;       ///< [N, H] binary16, output of the final norm
};

/// What to compute.
struct PayloadOptions {
  std::int64_t topk = 32;
  std::int64_t rand_neg = 0;
  bool lse = false;
  double train_temperature = 2.0;
  bool hidden = false;
  std::uint64_t seed = 0;            ///< of the negatives
  bool negatives_avoid_topk = true;  ///< false: uniform over the whole vocabulary
};

}  // namespace anemll
