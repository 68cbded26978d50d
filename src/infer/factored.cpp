#include "src/infer/factored.hpp"

#include "anemll/core/error.hpp"
#include "src/infer/internal/layer_factors.hpp"
#include "src/kernels/product.hpp"

#include <cstddef>
#include <optional>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/isinf.h>
#include <ATen/ops/logical_and.h>
#include <ATen/ops/logical_not.h>
#include <ATen/ops/zeros.h>

namespace anemll {
namespace {

constexpr double kHalfMax = 65504;

/// The factors of a baked layer, as halves in fp32 but for Q, which is half to save memory.
struct Factors {
  at::Tensor a;     // [r, out], magnitudes included
  at::Tensor b;     // [r, in]
  at::Tensor q;     // [out, in], half
  at::Tensor bias;  // [out] or undefined
};

at::Tensor as_half(const at::Tensor& x) {
  return x.to(at::kHalf).to(at::kFloat);
}

class FactoredLinear final : public Linear {
 public:
  FactoredLinear(Factors factors, std::shared_ptr<HalfRange> range)
      : factors_(std::move(factors)), range_(std::move(range)) {}

  at::Tensor forward(const at::Tensor& x) override {
    const at::Tensor flat = rounded(x.reshape({-1, x.size(-1)}).to(at::kFloat));
    const at::Tensor q = factors_.q.to(at::kFloat).t();
    at::Tensor y = at::zeros({flat.size(0), q.size(1)}, flat.options());
    for (std::int64_t k = 0; k < factors_.a.size(0); ++k) {
      const at::Tensor scaled = rounded(flat * factors_.b[k]);
      const at::Tensor part = rounded(rounded(kernels::mm(scaled, q)) * factors_.a[k]);
      const at::Tensor wide = y + part;
      const at::Tensor sum = as_half(wide);
      range_->values += sum.numel();
      range_->beyond += count(at::abs(wide) > kHalfMax);
      range_->infinite_sums += count(at::logical_and(at::isinf(sum), at::logical_not(at::isinf(y))));
      y = sum;
    }
    if (factors_.bias.defined()) y = rounded(y + factors_.bias);
    std::vector<std::int64_t> shape(x.sizes().begin(), x.sizes().end());
    shape.back() = y.size(1);
    return y.view(shape).to(x.scalar_type());
  }

 private:
  static std::int64_t count(const at::Tensor& where) { return where.sum().item<std::int64_t>(); }

  at::Tensor rounded(const at::Tensor& x) {
    range_->values += x.numel();
    range_->beyond += count(at::abs(x) > kHalfMax);
    return as_half(x);
  }

  Factors factors_;
  std::shared_ptr<HalfRange> range_;
};

Factors factors_of(const QuantLayer& layer) {
  const std::optional<LayerFactors> own = layer_factors(layer, /*half=*/true);
  if (!own) {
    throw_usage(
        layer.name() + " is a layer of type " + layer.quant().type + ", which is not computed rank by rank",
        "--factored", "give a V2 checkpoint, or drop the flag");
  }
  Factors factors;
  factors.a = as_half(own->a.t().contiguous());
  factors.b = as_half(own->b.contiguous());
  factors.q = at::index_select(own->lut.to(at::kHalf), 0, own->indices.reshape({-1}).to(at::kLong))
                  .view(own->indices.sizes());
  if (own->bias.defined()) factors.bias = as_half(own->bias);
  return factors;
}

}  // namespace

FactoredModel::FactoredModel(const ModelFiles& files, const std::vector<QuantLayer*>& layers,
                             at::Device device)
    : decoder_(files, device, /*dense=*/false) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    auto range = std::make_shared<HalfRange>();
    range->layer = layers[i]->name();
    decoder_.slots()[i].linear = std::make_unique<FactoredLinear>(factors_of(*layers[i]), range);
    ranges_.push_back(std::move(range));
  }
}

}  // namespace anemll
