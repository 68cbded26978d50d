// Attention of one query, on raw pointers; see attention_row.cpp.
#pragma once

#include "src/kernels/simd.hpp"

#include <cstdint>

namespace anemll::kernels {

/// Of one row and one kv head.
struct RowAttention {
  std::int64_t keys, dim, groups;
  std::int64_t stride;  ///< between the keys of neighbouring positions, and between values
  const float* q;       ///< [groups, dim]
  const float* k;       ///< of position 0
  const float* v;
  const std::uint8_t* allowed;  ///< [keys], nonzero = attend; or null
  float* scores;                ///< [keys], scratch
  float* out;                   ///< [groups, dim]
};
void attend_row(const RowAttention& row);

}  // namespace anemll::kernels
