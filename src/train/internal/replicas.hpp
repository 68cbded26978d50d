// Whether the ranks of a run still hold the same parameters.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "src/train/internal/selection.hpp"

namespace anemll {

/// Throws a communication error when the ranks' parameters are not bitwise equal, with a table of the tensors
/// that differ and of the ranks. Collective.
void check_replicas(Communicator& comm, const Selection& selection);

}  // namespace anemll
