// The one arithmetic of all host reductions: rank 0's value first, then the next rank's, and so on. A result
// then depends neither on the backend nor on how a buffer was cut into buckets, slices or messages.
#pragma once

#include "anemll/comm/communicator.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

namespace anemll {

/// into[i] = into[i] (op) next[i]. A NaN wins max and min: no rank may hide another rank's NaN.
template <class T>
void accumulate(T* into, const T* next, std::size_t count, ReduceOp op) {
  switch (op) {
    case ReduceOp::sum:
      for (std::size_t i = 0; i < count; ++i) into[i] += next[i];
      return;
    case ReduceOp::max:
      for (std::size_t i = 0; i < count; ++i)
        into[i] = next[i] > into[i] || next[i] != next[i] ? next[i] : into[i];
      return;
    case ReduceOp::min:
      for (std::size_t i = 0; i < count; ++i)
        into[i] = next[i] < into[i] || next[i] != next[i] ? next[i] : into[i];
      return;
  }
}

/// Reduces `count` elements of every rank's array and hands each finished block to store(offset, block).
template <class T, class Store>
void reduce_in_rank_order(std::span<const T* const> ranks, std::size_t count, ReduceOp op, Store&& store) {
  constexpr std::size_t kBlock = 2048;  // stays in the first-level cache
  std::array<T, kBlock> block;
  for (std::size_t at = 0; at < count; at += kBlock) {
    const std::size_t n = std::min(kBlock, count - at);
    std::copy_n(ranks[0] + at, n, block.data());
    for (std::size_t r = 1; r < ranks.size(); ++r) accumulate(block.data(), ranks[r] + at, n, op);
    store(at, std::span<const T>(block.data(), n));
  }
}

}  // namespace anemll
