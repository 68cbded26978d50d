// Products with a weight that is never made: codes of 2 or 4 bits for a table, and the factors of its scales.
// In fp32, on the CPU.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll::kernels {

/// W = lut[codes] o (A B), [n, k].
struct PackedWeight {
  at::Tensor codes;  ///< int32 [n, words], as internal/packed_product_cpu.hpp lays them out
  at::Tensor table;  ///< fp32: 8 values (2 bits) or 16 (4 bits), the table and what fills it up
  at::Tensor a;      ///< fp32 [n, r]
  at::Tensor b;      ///< fp32 [r, k]
  int bits = 0;

  std::int64_t bytes() const;
};

/// Whether tables of that size can be packed: 2 to 16 entries.
bool can_pack(std::int64_t table_size);

/// indices uint8 [n, k], each below the size of `lut` [2 to 16]; a [n, r] and b [r, k]; all on the CPU,
/// floats fp32.
PackedWeight pack_weight(const at::Tensor& indices, const at::Tensor& lut, const at::Tensor& a,
                         const at::Tensor& b);

/// x W^T + bias for x [..., L, k] fp32 and bias [n] or undefined; no gradients. As narrow_linear: of few
/// tokens (L) none depends on the others.
at::Tensor packed_linear(const at::Tensor& x, const PackedWeight& weight, const at::Tensor& bias);

}  // namespace anemll::kernels
