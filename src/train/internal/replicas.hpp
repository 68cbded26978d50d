// Whether the ranks of a run still hold the same parameters.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "src/train/internal/selection.hpp"

namespace anemll {

/// Throws a communication error when the ranks' parameters are not bitwise equal. Collective.
void check_replicas(Communicator& comm, const Selection& selection);

}  // namespace anemll
