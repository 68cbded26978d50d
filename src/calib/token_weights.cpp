#include "src/calib/token_weights.hpp"

#include "src/calib/moments.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

namespace anemll {
namespace {

// Of an output that is zero: squared norms of real models are above 1e-4.
constexpr double kSmallestSquare = 1e-12;

}  // namespace

at::Tensor token_weights(TokenWeight kind, const at::Tensor& outputs, const at::Tensor& mask) {
  const at::NoGradGuard no_grad;
  const bool masked = mask.defined();
  if (kind == TokenWeight::none) return masked ? mask.to(at::kFloat) : at::Tensor();
  const at::Tensor squares = token_traces(outputs);
  const at::Tensor counts = masked ? mask.contiguous() : at::Tensor();
  at::Tensor weights = at::empty({outputs.size(0)}, at::kFloat);
  const auto* square = squares.const_data_ptr<double>();
  const auto* counted = masked ? counts.const_data_ptr<std::uint8_t>() : nullptr;
  auto* out = weights.data_ptr<float>();
  for (std::int64_t t = 0; t < weights.numel(); ++t)
    out[t] = counted != nullptr && counted[t] == 0
                 ? 0.0F
                 : static_cast<float>(1.0 / std::max(square[t], kSmallestSquare));
  return weights;
}

double cap_level(std::span<const double> candidates, double rest, double cap) {
  std::vector<double> sorted;
  for (const double value : candidates) {
    if (value > 0) sorted.push_back(value);
  }
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  // tail[k]: the sum of all but the k largest, from the smallest on.
  std::vector<double> tail(sorted.size() + 1, rest);
  for (std::size_t k = sorted.size(); k-- > 0;) tail[k] = tail[k + 1] + sorted[k];
  for (std::size_t k = 0; k <= sorted.size(); ++k) {
    const double left = 1.0 - cap * static_cast<double>(k);
    if (left <= 0) break;
    // k tokens at the level and the rest below it: level = cap * (k * level + tail).
    const double level = cap * tail[k] / left;
    if (k == sorted.size() ? level > 0 : sorted[k] <= level)
      return k == 0 ? std::numeric_limits<double>::infinity() : level;
  }
  return sorted.empty() ? std::numeric_limits<double>::infinity() : sorted.back();
}

}  // namespace anemll
