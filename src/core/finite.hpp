// Whether every value of a tensor is a number: one pass over its bits.
#pragma once

#include "anemll/core/tensor.hpp"

#include <string>

namespace anemll {

/// False when a value is NaN or infinite. F32, F16 and BF16; F64 as F32, in which everything is computed, so
/// that 1e300 is infinite. Any other type has no such values.
bool all_finite(const HostTensor& tensor);

/// Unless all values are finite: a data error that names the tensor and the file `where`.
void require_finite(const HostTensor& tensor, const std::string& name, const std::string& where,
                    const std::string& hint);

}  // namespace anemll
