#include "src/model/internal/rope.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

namespace anemll {

std::vector<float> rope_frequencies(const Rope& rope, std::int64_t dim) {
  std::vector<float> frequencies(static_cast<std::size_t>(dim / 2));
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(dim);
    double f = std::pow(rope.theta, -exponent);
    if (rope.scaling) {
      const RopeScaling& s = *rope.scaling;
      const double turns = static_cast<double>(s.original_max_position) * f / (2.0 * std::numbers::pi);
      if (turns < s.low_freq_factor) {
        f /= s.factor;
      } else if (turns <= s.high_freq_factor) {
        const double smooth = (turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
        f = (1.0 - smooth) * f / s.factor + smooth * f;
      }
    }
    frequencies[i] = static_cast<float>(f);
  }
  return frequencies;
}

RopeTable::RopeTable(const Rope& rope, std::int64_t head_dim, at::Device device)
    : frequencies_(rope_frequencies(rope, head_dim)), device_(device) {}

void RopeTable::require(std::int64_t length) {
  if (cosine_.defined()) {
    if (cosine_.size(0) >= length) return;
    length = std::max(length, 2 * cosine_.size(0));  // tokens that come one by one do not remake it each time
  }
  const std::int64_t half = static_cast<std::int64_t>(frequencies_.size());
  const at::Tensor cosine = at::empty({length, half}, at::TensorOptions().dtype(at::kFloat));
  const at::Tensor sine = at::empty_like(cosine);
  auto* c = static_cast<float*>(cosine.data_ptr());
  auto* s = static_cast<float*>(sine.data_ptr());
  for (std::int64_t t = 0; t < length; ++t) {
    for (const float f : frequencies_) {
      const float angle = static_cast<float>(t) * f;  // fp32, as models are trained
      *c++ = static_cast<float>(std::cos(static_cast<double>(angle)));
      *s++ = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  }
  cosine_ = cosine.to(device_);
  sine_ = sine.to(device_);
}

}  // namespace anemll
