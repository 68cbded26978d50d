// Attention of one query a row, as decoding has it: nothing is copied or transposed of the keys and values
// that a cache holds. fp32, without gradients.
#pragma once

#include <ATen/core/Tensor.h>

namespace anemll::kernels {

/// As kernels::attention, for q [B, 1, heads, dim].
at::Tensor row_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                         const at::Tensor& allowed);
bool takes_row_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                         const at::Tensor& allowed);

}  // namespace anemll::kernels
