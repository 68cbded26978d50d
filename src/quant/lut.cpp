// Builds look-up tables. The reference lets a half-precision linspace make them: it steps up from the lower
// end in the first half and down from the upper end in the second, so rounding errors mirror.
#include "src/quant/internal/lut.hpp"

#include "anemll/core/error.hpp"

#include <string>

#include <c10/util/Half.h>

namespace anemll {
namespace {

float half(float x) {
  return static_cast<float>(c10::Half(x));
}

void append_linspace(std::vector<float>& lut, float from, float to, std::int64_t n, std::int64_t count) {
  const float step = half((to - from) / static_cast<float>(n - 1));
  for (std::int64_t i = 0; i < count; ++i) {
    const auto up = static_cast<float>(i);
    const auto down = static_cast<float>(n - 1 - i);
    // A half times an index below 256 is exact in float, so every operation rounds once.
    lut.push_back(i < n / 2 ? half(from + half(step * up)) : half(to - half(step * down)));
  }
}

}  // namespace

std::vector<float> make_lut(std::int64_t n, bool include_zero) {
  if (n < 2 || n > 256)
    throw_usage("a look-up table has 2 to 256 entries, not " + std::to_string(n), "lut size", "use 4 or 16");
  std::vector<float> lut;
  if (include_zero && n % 2 == 0 && n > 2) {
    append_linspace(lut, -1.0F, 0.0F, n / 2 + 1, n / 2);
    append_linspace(lut, 0.0F, 1.0F, n / 2, n / 2);
  } else {
    append_linspace(lut, -1.0F, 1.0F, n, n);
  }
  return lut;
}

}  // namespace anemll
