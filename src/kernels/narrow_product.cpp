// How weights become 16 bits wide, and how their products are split over threads; see narrow_product.hpp.
#include "src/kernels/narrow_product.hpp"

#include "anemll/core/error.hpp"
#include "src/kernels/internal/narrow_product_cpu.hpp"
#include "src/kernels/internal/row_blocks.hpp"
#include "src/kernels/parallel.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/empty.h>

namespace anemll::kernels {
namespace {

using Index = std::int64_t;

constexpr Index kFewTokens = 4;        // above it, widening W once is cheaper than reading it for each token
constexpr Index kGrainWork = 1 << 15;  // multiply-adds; below this a thread costs more than it saves
constexpr double kLeastNormalHalf = 0x1p-14;
constexpr int kHalfExponent = 15;  // what is below 2^15 fits, rounded up too
constexpr int kMostExponent = 100;

/// f<Half>() or f<Bf16>().
template <class F>
void dispatch_narrow(const at::Tensor& values, const F& f) {
  if (values.scalar_type() == at::kHalf)
    f.template operator()<Half>();
  else
    f.template operator()<Bf16>();
}

template <class T>
const T* pointer(const at::Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}

void few_tokens(const at::Tensor& x, const NarrowWeight& weight, const at::Tensor& bias, at::Tensor& y) {
  const Index outputs = weight.values.size(0);
  const Index width = weight.values.size(1);
  const Index grain = std::max<Index>(kGrainWork / std::max<Index>(width * x.size(0), 1), 1);
  dispatch_narrow(weight.values, [&]<class T>() {
    const NarrowRows<T> product{
        pointer<T>(weight.values),   weight.scale, width,
        x.const_data_ptr<float>(),   x.size(0),    bias.defined() ? bias.const_data_ptr<float>() : nullptr,
        y.mutable_data_ptr<float>(), outputs};
    parallel_for(outputs, grain, [&](Index begin, Index end) { narrow_rows(product, begin, end); });
  });
}

void many_tokens(const at::Tensor& x, const NarrowWeight& weight, const at::Tensor& bias, at::Tensor& y) {
  const Index width = weight.values.size(1);
  dispatch_narrow(weight.values, [&]<class T>() {
    mm_by_row_blocks(y, x, [&](Index row, Index rows, at::Tensor& out) {
      widen_values(pointer<T>(weight.values) + row * width, weight.scale, out.mutable_data_ptr<float>(),
                   rows * width);
    });
  });
  if (bias.defined()) y.add_(bias);
}

}  // namespace

at::Tensor NarrowWeight::widened() const {
  at::Tensor out = at::empty(values.sizes(), values.options().dtype(at::kFloat));
  dispatch_narrow(values, [&]<class T>() {
    widen_values(pointer<T>(values), scale, out.mutable_data_ptr<float>(), values.numel());
  });
  return out;
}

NarrowWeight narrow_weight(const at::Tensor& weight) {
  const at::NoGradGuard no_grad;
  const at::ScalarType type = weight.scalar_type();
  if (type == at::kHalf || type == at::kBFloat16) return {weight.contiguous(), 1};
  const float largest = weight.numel() > 0 ? at::abs(weight).max().item<float>() : 0;
  if (!std::isfinite(largest)) {
    throw_numerics("a value is NaN or infinite", "weights of a linear",
                   "'anemll_inspect check' looks for bad values in a checkpoint");
  }
  int exponent = 0;
  std::frexp(largest, &exponent);  // largest < 2^exponent
  const int up = largest > 0 ? std::min(kHalfExponent - exponent, kMostExponent) : 0;
  const at::Tensor scaled = weight * std::ldexp(1.0F, up);
  // Halves below the least normal one would be slow on some processors, and are nothing beside the largest.
  scaled.masked_fill_(at::abs(scaled) < kLeastNormalHalf, 0);
  return {scaled.to(at::kHalf).contiguous(), std::ldexp(1.0F, -up)};
}

bool has_few_tokens(const at::Tensor& x) {
  return x.dim() < 2 || x.size(-2) <= kFewTokens;
}

at::Tensor narrow_linear(const at::Tensor& x, const NarrowWeight& weight, const at::Tensor& bias) {
  return product_of_tokens(
      x, weight.values.size(0),
      [&](const at::Tensor& rows, at::Tensor& y) { few_tokens(rows, weight, bias, y); },
      [&](const at::Tensor& rows, at::Tensor& y) { many_tokens(rows, weight, bias, y); });
}

}  // namespace anemll::kernels
