// Whether every value of a tensor is a number: one pass over its bits.
#pragma once

#include "anemll/core/tensor.hpp"

namespace anemll {

/// False when a value is NaN or infinite. F32, F16 and BF16; any other type has no such values.
bool all_finite(const HostTensor& tensor);

}  // namespace anemll
