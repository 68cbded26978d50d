// --positive-scales: every linear of a trained model with scales above zero, fitted to what its outputs need,
// and what that costs.
#pragma once

#include "anemll/data/kd_cache.hpp"
#include "src/student/student.hpp"

#include <cstdint>
#include <optional>

#include <c10/core/Device.h>

namespace anemll {

struct PositiveCost {
  std::int64_t layers = 0;   ///< linears that were fitted anew
  std::int64_t below = 0;    ///< scales under kSmallestPositiveScale before
  std::int64_t recoded = 0;  ///< indices that changed
  bool by_outputs = false;   ///< columns counted by the inputs of the samples
  double weight_error = 0;   ///< of the fit; by outputs where it was made by them
  double clamped_error = 0;  ///< in the same measure, of the trained scales where they are clamped
  std::optional<double> kl;  ///< KL(trained || fitted), nats a token, where there were samples
};

/// Replaces the student's layers. With `samples` an error in a column of a weight counts by the mean square
/// of the input there, over all their positions; without, all columns count the same. `half`: the snap rounds
/// to half. A signal is StopError.
PositiveCost make_positive(Student& student, const std::optional<KdBatch>& samples, bool half);

}  // namespace anemll
