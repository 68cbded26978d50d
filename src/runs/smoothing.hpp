// Smoothing of a curve for the eye.
#pragma once

#include "src/runs/run_metrics.hpp"

#include <string>

namespace anemll {

/// How much a curve is smoothed: by a mean over the last points, or by TensorBoard's exponential mean.
struct Smoothing {
  std::int64_t points = 0;  ///< mean over so many
  double factor = 0;        ///< weight of what was before, below 1

  bool none() const { return points <= 1 && factor == 0; }
};

/// Of "20" (a whole number: points) or "0.9" (below 1: a factor). A usage error for anything else.
Smoothing parse_smoothing(const std::string& text);

/// A point that is not finite stays so, and counts in no mean. The exponential mean is divided by the sum of
/// its weights, so that it does not begin at zero.
Series smoothed(const Series& series, const Smoothing& how);

}  // namespace anemll
