// Compiled without contraction: a fused multiply-add would move positions that lie close to a tie.
#include "src/kernels/grid_index_cpu.hpp"

#include "src/kernels/simd.hpp"

#include <bit>

namespace anemll::kernels {
namespace {

/// The position must be 0 to 255. Adding 1.5 * 2^23 rounds it half to even, and leaves it in the low bits.
ANEMLL_INLINE std::uint8_t rounded(float position) {
  constexpr float kMagic = 12582912.0F;
  return static_cast<std::uint8_t>(std::bit_cast<std::uint32_t>(position + kMagic));
}

template <bool Split>
ANEMLL_INLINE void index_loop(const float* weight, const float* scale, std::int64_t size, std::uint8_t* index,
                              std::int64_t count) {
  const auto step = static_cast<float>(2.0 / static_cast<double>(size - 1));
  const auto below = static_cast<float>(size / 2);
  const auto above = static_cast<float>(size / 2 - 1);
  for (std::int64_t i = 0; i < count; ++i) {
    const float divisor = scale[i] < kSmallestGridScale ? kSmallestGridScale : scale[i];
    float z = weight[i] / divisor;
    z = z < -1.0F ? -1.0F : z;
    z = z > 1.0F ? 1.0F : z;
    float position;
    if constexpr (Split) {
      const float negative = (z + 1.0F) * below;
      const float positive = z * above + below;
      position = z < 0.0F ? negative : positive;
    } else {
      position = (z + 1.0F) / step;
    }
    index[i] = rounded(position > 0.0F ? position : 0.0F);  // NaN is not above zero
  }
}

}  // namespace

ANEMLL_SIMD void grid_index(const float* weight, const float* scale, IndexGrid grid, std::uint8_t* index,
                            std::int64_t count) {
  if (grid.split)
    index_loop<true>(weight, scale, grid.size, index, count);
  else
    index_loop<false>(weight, scale, grid.size, index, count);
}

ANEMLL_SIMD void zero_where_raised(const float* scale, float* gradient, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) gradient[i] = scale[i] < kSmallestGridScale ? 0.0F : gradient[i];
}

}  // namespace anemll::kernels
