#include "src/quant/half_cast.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/half.hpp"
#include "src/model/torch_bridge.hpp"

#include <cmath>
#include <span>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

namespace anemll {
namespace {

constexpr std::uint16_t kHalfSign = 0x8000;
constexpr double kHalfOverflow = 65520;  // halfway to 2^16 rounds away to infinity

std::span<const float> floats_of(const at::Tensor& contiguous) {
  return {contiguous.const_data_ptr<float>(), static_cast<std::size_t>(contiguous.numel())};
}

void check(std::span<const float> values, const std::string& name) {
  std::size_t bad = 0;
  for (const float v : values) bad += std::isfinite(v) ? 0U : 1U;
  if (bad == 0) return;
  throw_numerics(std::to_string(bad) + " of " + std::to_string(values.size()) + " values are NaN or infinite",
                 name, "this checkpoint is broken: take an earlier one, for example best_state_dict.pt");
}

}  // namespace

void require_finite(const at::Tensor& x, const std::string& name) {
  check(floats_of(x.to(at::kCPU, at::kFloat).contiguous()), name);
}

at::Tensor cast_to_half(const at::Tensor& x, const std::string& name, CastCounts& counts) {
  const at::Tensor source = x.to(at::kCPU, at::kFloat).contiguous();
  const std::span<const float> values = floats_of(source);
  check(values, name);
  at::Tensor half = at::empty(source.sizes(), source.options().dtype(at::kHalf));
  const std::span<std::uint16_t> bits{static_cast<std::uint16_t*>(half.data_ptr()), values.size()};
  counts.values += source.numel();
  const auto saturated = static_cast<std::int64_t>(float_to_half_saturating(values, bits));
  counts.saturated += saturated;
  if (saturated > 0) counts.beyond_half.push_back(name);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] != 0.0F && (bits[i] & ~kHalfSign) == 0) ++counts.flushed;
  }
  return half;
}

LazyTensor half_entry(LazyTensor entry, CastCounts& counts) {
  entry.dtype = DType::f16;
  entry.make = [make = std::move(entry.make), name = entry.name, &counts] {
    return as_host(cast_to_half(as_torch(make()), name, counts));
  };
  return entry;
}

LazyTensor finite_entry(LazyTensor entry) {
  entry.make = [make = std::move(entry.make), name = entry.name] {
    HostTensor tensor = make();
    require_finite(as_torch(tensor), name);
    return tensor;
  };
  return entry;
}

LazyTensor noted_entry(LazyTensor entry, CastCounts& counts) {
  entry.make = [make = std::move(entry.make), name = entry.name, &counts] {
    HostTensor tensor = make();
    const at::Tensor values = as_torch(tensor);
    const bool inside = values.numel() == 0 || values.abs().max().item<double>() < kHalfOverflow;
    if (!inside) counts.beyond_half.push_back(name);
    return tensor;
  };
  return entry;
}

}  // namespace anemll
