// Rounding to half with a straight-through gradient: what FP16 hardware will do to a value, seen in training.
#pragma once

#include <ATen/core/Tensor.h>

namespace anemll {

/// The nearest half of x clamped to the finite half range, in x's dtype; NaN stays NaN; halves are returned
/// as they are. No gradient. The clamp is done in float; bfloat16 saturates at 65280, its largest value that
/// is a finite half.
at::Tensor round_half(const at::Tensor& x);

/// The same value with the gradient of the identity, saturated or not.
at::Tensor round_half_ste(const at::Tensor& x);

}  // namespace anemll
