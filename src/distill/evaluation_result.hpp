// The figures of one evaluation, as logs and the choice of the best see them.
#pragma once

#include "src/score/divergence.hpp"

#include <optional>
#include <string>
#include <vector>

namespace anemll {

/// The divergence on the hold-out rows of one data set.
struct SourceDivergence {
  std::string name;  ///< empty where the cache names none
  DivergenceSummary divergence;
};

/// All figures of one evaluation; what nobody knows is absent.
struct EvaluationResult {
  double loss = 0;                     ///< the reference's metric on the first training rows
  std::optional<double> holdout_loss;  ///< the same on the hold-out part
  std::optional<DivergenceSummary> train, holdout, text;
  std::vector<SourceDivergence> sources;  ///< of `holdout`
  std::optional<double> holdout_kl;       ///< mean over `sources`, each counting alike
};

}  // namespace anemll
