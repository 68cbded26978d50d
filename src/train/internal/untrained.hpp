// Runs without a step: the source, rounded or snapped, and the end.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/train/train_options.hpp"

#include <c10/core/Device.h>

namespace anemll {

/// Whether the options ask for that: --freeze-all, or --skip-training of anemll_train_v1.
bool trains_nothing(const TrainOptions& options);

/// Writes best_state_dict.pt with scales and magnitudes rounded to half, or V1's last files with snapped
/// weights, and config.json. Collective.
void write_untrained(const TrainOptions& options, at::Device device, Communicator& comm);

}  // namespace anemll
