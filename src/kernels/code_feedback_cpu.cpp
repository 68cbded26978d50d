#include "src/kernels/code_feedback_cpu.hpp"

namespace anemll::kernels {
namespace {

constexpr int kMostEntries = 256;

/// Borders between neighbouring entries. A size that is known at compile time unrolls the search.
template <int N>
ANEMLL_INLINE void choose(const FeedbackBlock& block, const float* borders) {
  constexpr auto kLanes = static_cast<int>(kFeedbackLanes);
  const std::int64_t entries = N > 0 ? N : block.lut.size;
  for (std::int64_t row = 0; row < block.rows; row += kLanes) {
    for (std::int64_t j = 0; j < block.columns; ++j) {
      const std::int64_t at = j * block.rows + row;
      const float* weights = block.matrix + j * block.stride;
      float wanted[kLanes];
      for (int l = 0; l < kLanes; ++l) wanted[l] = block.sums[at + l];
      for (std::int64_t k = 0; k < j; ++k) {
        const float weight = weights[k];
        const float* left = block.left + k * block.rows + row;
        for (int l = 0; l < kLanes; ++l) wanted[l] += weight * left[l];
      }
      const float inverse = block.inverse[j];
      std::int32_t code[kLanes];
      float value[kLanes];
      for (int l = 0; l < kLanes; ++l) {
        wanted[l] = block.wanted[at + l] + inverse * wanted[l];
        code[l] = 0;
        value[l] = block.lut.values[0];
      }
      for (std::int64_t entry = 1; entry < entries; ++entry) {
        const float border = borders[entry];
        const float next = block.lut.values[entry];
        for (int l = 0; l < kLanes; ++l) {
          const bool above = wanted[l] > border * block.scale[at + l];
          code[l] += above ? 1 : 0;
          value[l] = above ? next : value[l];
        }
      }
      for (int l = 0; l < kLanes; ++l) {
        block.code[at + l] = static_cast<std::uint8_t>(code[l]);
        block.left[at + l] = block.wanted[at + l] - value[l] * block.scale[at + l];
      }
    }
  }
}

}  // namespace

ANEMLL_SIMD void choose_with_feedback(const FeedbackBlock& block) {
  float borders[kMostEntries] = {};
  for (std::int64_t i = 1; i < block.lut.size; ++i)
    borders[i] = 0.5F * (block.lut.values[i - 1] + block.lut.values[i]);
  switch (block.lut.size) {
    case 4:
      return choose<4>(block, borders);
    case 8:
      return choose<8>(block, borders);
    case 16:
      return choose<16>(block, borders);
    default:
      return choose<0>(block, borders);
  }
}

void add_by_code(const std::uint8_t* code, const float* x, const float* y, double* sums, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i)
    sums[code[i]] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
}

ANEMLL_SIMD void add_on_grid(const float* x, double grid, double* sum, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) sum[i] += (static_cast<double>(x[i]) + grid) - grid;
}

}  // namespace anemll::kernels
