// --scale-bits 8: the scales of every linear on an 8-bit grid, and what that costs.
#pragma once

#include "anemll/data/kd_cache.hpp"
#include "src/student/student.hpp"

#include <cstdint>
#include <optional>

namespace anemll {

struct GridCost {
  std::int64_t layers = 0;   ///< linears whose factors were rounded
  std::int64_t raised = 0;   ///< rows that were moved so that their scales stay positive
  double weight_error = 0;   ///< relative, over all linears
  std::optional<double> kl;  ///< KL(model before || rounded), nats a token, where there were samples
};

/// Replaces the student's layers. A signal is StopError.
GridCost put_on_grid(Student& student, const std::optional<KdBatch>& samples);

}  // namespace anemll
