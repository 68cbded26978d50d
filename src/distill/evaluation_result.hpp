// The figures of one evaluation, as logs and the choice of the best see them.
#pragma once

#include "src/score/divergence.hpp"

#include <optional>

namespace anemll {

/// All figures of one evaluation; what nobody knows is absent.
struct EvaluationResult {
  double loss = 0;                     ///< the reference's metric on the first training rows
  std::optional<double> holdout_loss;  ///< the same on the hold-out part
  std::optional<DivergenceSummary> train, holdout, text;
};

}  // namespace anemll
