#include "src/export/consumers.hpp"

#include "anemll/core/error.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/positive_scales.hpp"

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>

#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>

namespace anemll {
namespace {

// What the consumers clamp scales to.
constexpr double kScaleFloor = 1e-8;
// The reference's norm floor.
constexpr double kNormFloor = 1e-6;

at::Tensor read_float(const TensorMap& file, const std::string& name) {
  const HostTensor* tensor = file.find(name);
  if (tensor == nullptr)
    throw_data("a key that the consumers need is missing", name, "snap the checkpoint again");
  return as_torch(*tensor).to(at::kFloat).contiguous();
}

at::Tensor product(const at::Tensor& a, const at::Tensor& g, const at::Tensor& b) {
  return at::mm(a.mul(g), b);
}

void require_shape(const at::Tensor& tensor, at::IntArrayRef shape, const std::string& name) {
  if (tensor.sizes() != shape) {
    throw_data("the shape does not fit the layer's other tensors", name, "snap the checkpoint again");
  }
}

}  // namespace

const char* name_of(Consumer consumer) {
  switch (consumer) {
    case Consumer::raw:
      return "raw";
    case Consumer::abs:
      return "abs";
    case Consumer::clamp:
      return "clamp";
    case Consumer::weight:
      return "weight";
    case Consumer::reference:
      return "reference";
    case Consumer::factored:
      return "factored";
    case Consumer::conv:
      return "conv";
  }
  return "";
}

SnappedLayer read_snapped_layer(const TensorMap& file, const std::string& name) {
  SnappedLayer layer;
  layer.name = name;
  layer.weight = read_float(file, name + ".weight");
  layer.Q = read_float(file, name + "._Q");
  layer.scale_A = read_float(file, name + ".scale_A");
  layer.scale_B = read_float(file, name + ".scale_B");
  layer.magnitude = read_float(file, name + ".rank_magnitude");
  if (file.contains(name + ".bias")) layer.bias = read_float(file, name + ".bias");
  if (file.contains(name + ".lut")) layer.lut = read_float(file, name + ".lut");
  if (file.contains(name + "._scales_baked_flag"))
    layer.baked = read_float(file, name + "._scales_baked_flag").item<float>() != 0;

  if (layer.Q.dim() != 2 || layer.scale_A.dim() != 2)
    throw_data("expected a matrix", name, "snap the checkpoint again");
  const std::int64_t rank = layer.scale_A.size(1);
  require_shape(layer.weight, layer.Q.sizes(), name + ".weight");
  require_shape(layer.scale_A, {layer.Q.size(0), rank}, name + ".scale_A");
  require_shape(layer.scale_B, {rank, layer.Q.size(1)}, name + ".scale_B");
  require_shape(layer.magnitude, {rank}, name + ".rank_magnitude");
  return layer;
}

at::Tensor effective_weight(const SnappedLayer& layer, Consumer consumer) {
  const at::Tensor &a = layer.scale_A, &b = layer.scale_B, &g = layer.magnitude;
  switch (consumer) {
    case Consumer::raw:
      return layer.Q.mul(product(a, g, b));
    case Consumer::abs:
      return layer.Q.mul(product(a.abs(), g, b.abs()));
    case Consumer::clamp:
      return layer.Q.mul(product(a, g, b).clamp_min(kScaleFloor));
    case Consumer::weight:
      return layer.weight.mul(at::mm(a, b).clamp_min(kScaleFloor));
    case Consumer::reference: {
      if (layer.baked) return layer.Q.mul(product(a, g, b));
      const at::Tensor a_dir = a.div(a.norm(2, {0}, true).clamp_min(kNormFloor));
      const at::Tensor b_dir = b.div(b.norm(2, {1}, true).clamp_min(kNormFloor));
      return layer.Q.mul(product(a_dir, g, b_dir));
    }
    case Consumer::factored:
      return layer.weight.mul(at::mm(a, b));
    case Consumer::conv: {
      const at::Tensor scales = at::mm(a, b).clamp_min(kScaleFloor);
      return layer.lut.defined() ? scales.mul(layer.lut[0]) : layer.weight.mul(scales);
    }
  }
  return {};
}

ScaleFacts scale_facts(const SnappedLayer& layer) {
  ScaleFacts facts;
  const at::Tensor scales = product(layer.scale_A, layer.magnitude, layer.scale_B);
  facts.entries = scales.numel();
  facts.negative = scales.lt(0).sum().item<std::int64_t>();
  facts.below = scales.lt(kSmallestPositiveScale).sum().item<std::int64_t>();
  facts.has_lut = layer.lut.defined();
  facts.weight_is_q = layer.weight.equal(layer.Q);
  facts.unit_magnitude = layer.magnitude.eq(1).all().item<bool>();
  facts.baked = layer.baked;
  for (const at::Tensor* t : {&layer.scale_A, &layer.scale_B, &layer.magnitude}) {
    facts.largest = std::max(facts.largest, t->abs().max().item<double>());
  }
  std::unordered_set<float> values;
  const float* q = layer.Q.const_data_ptr<float>();
  for (std::int64_t i = 0; i < layer.Q.numel(); ++i) values.insert(q[i]);
  facts.distinct = static_cast<std::int64_t>(values.size());
  return facts;
}

Consumer same_reading(Consumer consumer, const ScaleFacts& facts) {
  if (consumer == Consumer::weight && facts.weight_is_q && facts.unit_magnitude) return Consumer::clamp;
  if (consumer == Consumer::reference && facts.baked) return Consumer::raw;
  if (consumer == Consumer::factored && facts.weight_is_q && facts.unit_magnitude) return Consumer::raw;
  if (consumer == Consumer::conv && !facts.has_lut)
    return facts.weight_is_q && facts.unit_magnitude ? Consumer::clamp : Consumer::weight;
  return consumer;
}

ConsumerLinear::ConsumerLinear(const TensorMap& file, std::string name, Consumer consumer, at::Device device,
                               bool keep)
    : file_(file), name_(std::move(name)), consumer_(consumer), device_(device), keep_(keep) {}

at::Tensor ConsumerLinear::forward(const at::Tensor& x) {
  at::Tensor weight = weight_, bias = bias_;
  if (!weight.defined()) {
    const SnappedLayer layer = read_snapped_layer(file_, name_);
    weight = effective_weight(layer, consumer_).to(device_);
    if (layer.bias.defined()) bias = layer.bias.to(device_);
    if (keep_) {
      weight_ = weight;
      bias_ = bias;
    }
  }
  return at::linear(x, weight.to(x.scalar_type()),
                    bias.defined() ? std::optional(bias.to(x.scalar_type())) : std::nullopt);
}

}  // namespace anemll
