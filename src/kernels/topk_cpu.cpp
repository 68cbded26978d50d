// The search keeps a heap with the worst of the best on top and skips every block of the row whose maximum
// cannot enter: after the first few blocks that is nearly all of them.
#include "src/kernels/topk_cpu.hpp"

#include "src/kernels/head_loss_cpu.hpp"

#include <algorithm>
#include <cstddef>

namespace anemll::kernels {
namespace {

constexpr std::size_t kBlock = 128;

bool heap_order(const ScoredId& a, const ScoredId& b) {
  return a.before(b);
}

template <class T>
void find_largest(const T* row, std::size_t size, std::size_t count, std::vector<ScoredId>& out) {
  out.clear();
  if (count == 0) return;
  // Ids come in ascending order, so an equal value never displaces one that is in the heap.
  for (std::size_t begin = 0; begin < size; begin += kBlock) {
    const std::size_t end = std::min(size, begin + kBlock);
    if (out.size() == count && !(row_max(std::span(row + begin, end - begin)) > out.front().value)) continue;
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

/// Zero times a finite number is zero; times infinity or NaN it is NaN.
template <class T>
ANEMLL_INLINE bool finite(const T* row, std::size_t size) {
  constexpr std::size_t kLanes = 32;
  float lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += 0.0F * load(row[i + l]);
  }
  for (; i < size; ++i) lanes[0] += 0.0F * load(row[i]);
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum == 0.0F;
}

}  // namespace

ANEMLL_SIMD bool all_finite(std::span<const float> row) {
  return finite(row.data(), row.size());
}
ANEMLL_SIMD bool all_finite(std::span<const Bf16> row) {
  return finite(row.data(), row.size());
}

void largest(std::span<const float> row, std::size_t count, std::vector<ScoredId>& out) {
  find_largest(row.data(), row.size(), count, out);
}
void largest(std::span<const Bf16> row, std::size_t count, std::vector<ScoredId>& out) {
  find_largest(row.data(), row.size(), count, out);
}

}  // namespace anemll::kernels
