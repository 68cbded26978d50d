// The CPU loops of the quantised weight: indices and a look-up table against a scale matrix, both ways. Each
// works on a range of elements and knows nothing of tensors or threads; callers split (src/quant).
#pragma once

#include "src/kernels/simd.hpp"

#include <cstdint>

namespace anemll::kernels {

// A table of 2 to 256 values, ascending.
struct LutView {
  const float* values;
  std::int64_t size;
};

/// out = lut[index]
void lut_gather(const std::uint8_t* index, LutView lut, float* out, std::int64_t count);
void lut_gather(const std::uint8_t* index, LutView lut, Bf16* out, std::int64_t count);

/// out = lut[index] * scale: the weight. In place is fine.
void lut_multiply(const std::uint8_t* index, LutView lut, const float* scale, float* out, std::int64_t count);
void lut_multiply(const std::uint8_t* index, LutView lut, const float* scale, Bf16* out, std::int64_t count);
/// The same with a bfloat16 factor: the gradient of the scale out of that of the weight.
void lut_multiply(const std::uint8_t* index, LutView lut, const Bf16* factor, Bf16* out, std::int64_t count);

struct NearestCounts {
  std::int64_t nan = 0;         ///< weight or scale is NaN, or the quotient is
  std::int64_t tiny_scale = 0;  ///< |scale| < epsilon: divided by epsilon with the scale's sign instead
};

/// index = the table's nearest entry to weight / scale, the quotient clamped to the table's range. Ties go to
/// the lower entry, NaN gets entry 0.
NearestCounts lut_nearest(const float* weight, const float* scale, LutView lut, float scale_epsilon,
                          std::uint8_t* index, std::int64_t count);

}  // namespace anemll::kernels
