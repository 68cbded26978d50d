#include "src/quant/internal/float_type.hpp"

#include "src/kernels/product.hpp"
#include "src/quant/internal/layer_keys.hpp"
#include "src/quant/internal/layer_tensors.hpp"

#include <optional>
#include <string>
#include <utility>

#include <ATen/core/grad_mode.h>

namespace anemll {
namespace {

std::vector<TensorRow> float_table(std::int64_t out, std::int64_t in) {
  return {{".weight", at::kFloat, {out, in}, LayerRole::frozen},
          {".bias", at::kFloat, {out}, LayerRole::frozen, TensorPart::other, /*optional=*/true}};
}

class FloatLinear final : public QuantLayer {
 public:
  FloatLinear(std::string name, at::Tensor weight, at::Tensor bias)
      : name_(std::move(name)), weight_(std::move(weight)), bias_(std::move(bias)) {}

  at::Tensor forward(const at::Tensor& x) override {
    // The weight needs no gradient, so autograd keeps it and not x.
    const at::ScalarType dtype = x.scalar_type();
    return kernels::linear(x, weight_in(dtype), bias_.defined() ? bias_.to(dtype) : bias_);
  }

  const std::string& name() const override { return name_; }
  LinearQuant quant() const override { return float_linear(); }
  std::int64_t out() const override { return weight_.size(0); }
  std::int64_t in() const override { return weight_.size(1); }
  std::vector<LayerTensor> tensor_table() override {
    std::vector<TensorRow> rows = float_table(out(), in());
    return {{std::move(rows[0]), &weight_}, {std::move(rows[1]), &bias_}};
  }

  void set_numerics(const LayerNumerics&) override {}
  void begin_step() override {}
  void begin_micro_step(bool) override {}
  void on_gradients_ready(std::function<void()>) override {}
  void set_transient(bool on) override {
    transient_ = on;
    if (on) cast_.reset();
  }

  at::Tensor effective_weight(at::ScalarType dtype) const override { return weight_.to(dtype); }
  std::vector<LazyTensor> checkpoint_entries(const HostTensor&, bool) const override {
    std::vector<LazyTensor> entries = {floats_entry(name_ + ".weight", weight_)};
    if (bias_.defined()) entries.push_back(floats_entry(name_ + ".bias", bias_));
    return entries;
  }
  std::unique_ptr<QuantLayer> baked(bool) const override {
    return std::make_unique<FloatLinear>(name_, weight_, bias_);
  }

 private:
  at::Tensor weight_in(at::ScalarType dtype) {
    if (dtype == weight_.scalar_type()) return weight_;
    if (transient_) return weight_.to(dtype);
    if (!cast_.defined() || cast_.scalar_type() != dtype) cast_ = weight_.to(dtype);
    return cast_;
  }

  std::string name_;
  at::Tensor weight_, bias_;
  at::Tensor cast_;  ///< the weight in the type of the products
  bool transient_ = false;
};

LayerDraft read(const TensorMap& state, const LinearSpec& linear, const LinearQuant&, bool,
                const std::string& file) {
  const LayerReader reader(state, linear.name, file, "float");
  LayerDraft draft;
  draft.tensors[".weight"] = reader.floats(".weight", {linear.out, linear.in});
  if (reader.find(".bias") != nullptr) draft.tensors[".bias"] = reader.floats(".bias", {linear.out});
  return draft;
}

std::unique_ptr<QuantLayer> make(const LinearSpec& linear, const LinearQuant&, LayerTensors tensors) {
  require_shape(tensors[".weight"], {linear.out, linear.in}, linear.name, "weight");
  return std::make_unique<FloatLinear>(linear.name, tensors[".weight"], tensors[".bias"]);
}

}  // namespace

LayerType float_layer_type() {
  return {"float",
          [](const TensorFinder&, const std::string&, const std::string&) -> std::optional<LinearQuant> {
            return std::nullopt;
          },
          [](const LinearSpec& linear, const LinearQuant&) { return float_table(linear.out, linear.in); },
          [](const at::Tensor& weight, const LinearQuant&, const InitOptions&) {
            const at::NoGradGuard no_grad;
            LayerDraft draft;
            draft.tensors[".weight"] = weight.detach().to(at::kFloat, false, true).contiguous();
            return draft;
          },
          read,
          make};
}

}  // namespace anemll
