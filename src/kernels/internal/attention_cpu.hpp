// Causal attention of one kv head and the query heads that share it, on raw pointers; see attention_cpu.cpp.
// Units are independent: callers spread them over threads, each with its own scratch.
#pragma once

#include "src/kernels/internal/rows_cpu.hpp"

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

/// q and out [B, queries, heads, dim]; k, v [B, keys, kv_heads, dim].
template <class T>
struct AttentionData {
  const T* q;
  const T* k;
  const T* v;
  const std::uint8_t* allowed;  ///< [B, queries, keys], nonzero = attend, besides the causal rule; or null
  T* out;
  float* log_sums;  ///< [B, heads, queries], kept for backward
};

/// Gradients, each of the shape of what it is the gradient of.
template <class T>
struct AttentionGrads {
  const T* out;
  T* q;
  T* k;
  T* v;
};

/// Writes out and log_sums of one unit. float, Bf16
template <class T>
void attention_unit(const AttentionShape& shape, const AttentionData<T>& tensors, float* scratch, Index unit);

/// Reads what forward wrote; writes the gradients of q, k and v of one unit. float, Bf16
template <class T>
void attention_unit_backward(const AttentionShape& shape, const AttentionData<T>& tensors,
                             const AttentionGrads<T>& grads, float* scratch, Index unit);

}  // namespace anemll::kernels
