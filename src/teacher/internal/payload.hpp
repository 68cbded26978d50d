// What the teacher says about the supervised positions of some sequences, in the columns of a cache.
#pragma once

#include "anemll/data/kd_batch.hpp"

#include <cstdint>

namespace anemll {

/// N = rows * S positions in order; best candidates first. What was not asked for is not there.
struct TeacherPayload : ColumnArrays {
  std::int64_t rows = 0;
};

/// What to compute; the top-k always.
struct PayloadOptions {
  std::int64_t topk = 32;
  std::int64_t rand_neg = 0;
  PayloadSet payloads = {};
  double train_temperature = 2.0;
  std::uint64_t seed = 0;            ///< of the negatives
  bool negatives_avoid_topk = true;  ///< false: uniform over the whole vocabulary
};

}  // namespace anemll
