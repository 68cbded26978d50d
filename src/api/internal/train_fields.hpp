// A struct of flags that somebody filled by hand, checked as if it had been typed.
#pragma once

#include "anemll/train/train_options.hpp"

namespace anemll {

/// `told` with the names in `given` of all fields that are not the defaults. Usage errors for a value that
/// its flag does not take, and for fields that name a source or how it is quantised.
TrainOptions checked_fields(const TrainOptions& told);

}  // namespace anemll
