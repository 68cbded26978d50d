// Causal attention of one kv head and the query heads that share it, on raw pointers; see attention_cpu.cpp.
// Units are independent: callers spread them over threads, each with its own scratch.
#pragma once

#include "src/kernels/rows_cpu.hpp"

#include <cstdint>

namespace anemll::kernels {

/// The queries are the last of the keys' positions: query i stands where key keys - queries + i does.
struct AttentionShape {
  Index batch = 0, queries = 0, keys = 0, heads = 0, kv_heads = 0, dim = 0;
  Index units() const { return batch * kv_heads; }
  Index earlier() const { return keys - queries; }  ///< keys before the first query
};

/// Floats of scratch per thread; enough for both directions.
Index attention_scratch(const AttentionShape& shape);

// q, out and their gradients [B, queries, heads, dim]; k, v [B, keys, kv_heads, dim]; allowed [B, queries,
// keys] bytes (nonzero = attend; the causal rule holds besides) or null; log_sums [B, heads, queries], kept
// for backward.
#define ANEMLL_DECLARE(T)                                                                                \
  void attention_unit(const AttentionShape& shape, const T* q, const T* k, const T* v,                   \
                      const std::uint8_t* allowed, T* out, float* log_sums, float* scratch, Index unit); \
  void attention_unit_backward(const AttentionShape& shape, const T* q, const T* k, const T* v,          \
                               const std::uint8_t* allowed, const T* out, const float* log_sums,         \
                               const T* grad_out, T* grad_q, T* grad_k, T* grad_v, float* scratch,       \
                               Index unit);
ANEMLL_DECLARE(float)
ANEMLL_DECLARE(Bf16)
#undef ANEMLL_DECLARE

}  // namespace anemll::kernels
