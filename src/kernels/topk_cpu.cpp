// The search keeps a heap with the worst of the best on top and skips every block of the row whose maximum
// cannot enter: after the first few blocks that is nearly all of them.
#include "src/kernels/topk_cpu.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace anemll::kernels {
namespace {

constexpr std::size_t kLanes = 32;
constexpr std::size_t kBlock = 128;
/// Partial sums leave fp32 for double after this many elements.
constexpr std::size_t kSumBlock = 4096;

template <class T>
ANEMLL_INLINE float block_max(const T* row, std::size_t size) {
  float lanes[kLanes];
  std::fill_n(lanes, kLanes, -std::numeric_limits<float>::infinity());
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const float value = load(row[i + l]);
      lanes[l] = value > lanes[l] ? value : lanes[l];
    }
  }
  for (std::size_t l = 0; i < size; ++i, ++l) {
    const float value = load(row[i]);
    lanes[l] = value > lanes[l] ? value : lanes[l];
  }
  float result = lanes[0];
  for (std::size_t l = 1; l < kLanes; ++l) result = lanes[l] > result ? lanes[l] : result;
  return result;
}

bool heap_order(const ScoredId& a, const ScoredId& b) {
  return a.before(b);
}

template <class T>
ANEMLL_INLINE void find_largest(const T* row, std::size_t size, std::size_t count,
                                std::vector<ScoredId>& out) {
  out.clear();
  if (count == 0) return;
  // Ids come in ascending order, so an equal value never displaces one that is in the heap.
  for (std::size_t begin = 0; begin < size; begin += kBlock) {
    const std::size_t end = std::min(size, begin + kBlock);
    if (out.size() == count && !(block_max(row + begin, end - begin) > out.front().value)) continue;
    for (std::size_t i = begin; i < end; ++i) {
      const float value = load(row[i]);
      if (out.size() < count) {
        if (value != value) continue;
        out.push_back({value, static_cast<std::int32_t>(i)});
        std::push_heap(out.begin(), out.end(), heap_order);
      } else if (value > out.front().value) {
        std::pop_heap(out.begin(), out.end(), heap_order);
        out.back() = {value, static_cast<std::int32_t>(i)};
        std::push_heap(out.begin(), out.end(), heap_order);
      }
    }
  }
  std::sort_heap(out.begin(), out.end(), heap_order);
}

template <class T>
ANEMLL_INLINE TwoSums sums(const T* row, std::size_t size, float inverse_temperature) {
  TwoSums result;
  result.max = block_max(row, size);
  const bool tempered = inverse_temperature != 1.0F;
  for (std::size_t begin = 0; begin < size; begin += kSumBlock) {
    const std::size_t end = std::min(size, begin + kSumBlock);
    float plain[kLanes] = {};
    float soft[kLanes] = {};
    std::size_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (std::size_t l = 0; l < kLanes; ++l) plain[l] += exp_fast(load(row[i + l]) - result.max);
    }
    for (std::size_t l = 0; i < end; ++i, ++l) plain[l] += exp_fast(load(row[i]) - result.max);
    if (tempered) {
      i = begin;
      for (; i + kLanes <= end; i += kLanes) {
        for (std::size_t l = 0; l < kLanes; ++l)
          soft[l] += exp_fast((load(row[i + l]) - result.max) * inverse_temperature);
      }
      for (std::size_t l = 0; i < end; ++i, ++l)
        soft[l] += exp_fast((load(row[i]) - result.max) * inverse_temperature);
    }
    for (std::size_t l = 0; l < kLanes; ++l) {
      result.plain += double{plain[l]};
      result.tempered += double{soft[l]};
    }
  }
  return result;
}

}  // namespace

ANEMLL_SIMD void largest(std::span<const float> row, std::size_t count, std::vector<ScoredId>& out) {
  find_largest(row.data(), row.size(), count, out);
}
ANEMLL_SIMD void largest(std::span<const Bf16> row, std::size_t count, std::vector<ScoredId>& out) {
  find_largest(row.data(), row.size(), count, out);
}

ANEMLL_SIMD TwoSums exp_sums(std::span<const float> row, float inverse_temperature) {
  return sums(row.data(), row.size(), inverse_temperature);
}
ANEMLL_SIMD TwoSums exp_sums(std::span<const Bf16> row, float inverse_temperature) {
  return sums(row.data(), row.size(), inverse_temperature);
}

}  // namespace anemll::kernels
