// What the linears of a V1 run become.
#pragma once

#include "anemll/model/architecture.hpp"
#include "anemll/train/train_options.hpp"
#include "src/student/v2_checkpoint.hpp"

namespace anemll {

/// From the options where there is no state, or where it leaves a linear float; else from the state's shapes.
/// A line tells how many linears of a state start from its weights. Usage error for a snapped state, data
/// error for a damaged one.
ResolvedQuant v1_quant(const TrainOptions& options, const Architecture& architecture,
                       const V2Checkpoint* state);

}  // namespace anemll
