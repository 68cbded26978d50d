// A decoder written again from the formulas, and small random models whose every tensor can be trained.
#pragma once

#include "src/model/decoder.hpp"
#include "src/model/torch_bridge.hpp"
#include "tests/unit/model/model_folder.hpp"

#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <numbers>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>

namespace anemll::test {

using at::Tensor;

// Two fp32 implementations of the same formulas on one machine.
inline constexpr double kFormulaTolerance = 2e-5;

using Weights = std::map<std::string, Tensor>;

inline double relative_error(const Tensor& a, const Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

inline Tensor plain_norm(const Tensor& x, const Tensor& weight, double eps) {
  return x * at::rsqrt((x * x).mean({-1}, true) + eps) * weight;
}

/// Angles written down again: theta^(-2i/d), "llama3" scaling by wavelength.
inline Tensor plain_angles(const Rope& rope, std::int64_t dim, std::int64_t length) {
  std::vector<float> inverse;
  for (std::int64_t i = 0; i < dim; i += 2) {
    double f = 1.0 / std::pow(rope.theta, static_cast<double>(i) / static_cast<double>(dim));
    if (rope.scaling) {
      const double wavelength = 2 * std::numbers::pi / f;
      const double original = static_cast<double>(rope.scaling->original_max_position);
      const double low = rope.scaling->low_freq_factor;
      const double high = rope.scaling->high_freq_factor;
      if (wavelength > original / low) {
        f /= rope.scaling->factor;
      } else if (wavelength >= original / high) {
        const double blend = (original / wavelength - low) / (high - low);
        f = (1 - blend) * f / rope.scaling->factor + blend * f;
      }
    }
    inverse.push_back(static_cast<float>(f));
  }
  Tensor f = at::ones({static_cast<std::int64_t>(inverse.size())});
  for (std::size_t i = 0; i < inverse.size(); ++i) f[static_cast<std::int64_t>(i)] = inverse[i];
  const Tensor half = at::arange(length).to(at::kFloat).unsqueeze(1) * f;
  return at::cat({half, half}, -1).unsqueeze(1);  // [L, 1, dim]
}

inline Tensor plain_rotate(const Tensor& x, const Tensor& angles) {
  const std::int64_t half = x.size(-1) / 2;
  return x * angles.cos() + at::cat({-x.narrow(-1, half, half), x.narrow(-1, 0, half)}, -1) * angles.sin();
}

inline Tensor plain_hidden(const Architecture& a, const Weights& w, const Tensor& ids) {
  const std::int64_t batch = ids.size(0);
  const std::int64_t length = ids.size(1);
  const auto linear = [&](const std::string& name, const Tensor& x) {
    const auto bias = w.find(name + ".bias");
    return at::linear(x, w.at(name + ".weight"),
                      bias != w.end() ? std::optional<Tensor>(bias->second) : std::nullopt);
  };
  Tensor h = at::embedding(w.at("model.embed_tokens.weight"), ids);
  for (std::size_t i = 0; i < a.layers.size(); ++i) {
    const LayerSpec& spec = a.layers[i];
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    const Tensor angles = plain_angles(spec.rope, a.head_dim, length);
    const Tensor position = at::arange(length);
    const Tensor distance = position.unsqueeze(1) - position.unsqueeze(0);
    Tensor hidden = distance.lt(0);
    if (spec.window > 0) hidden = hidden.logical_or(distance.ge(spec.window));
    Tensor x = plain_norm(h, w.at(layer + "input_layernorm.weight"), a.rms_norm_eps);
    const auto heads = [&](const char* name) {
      return linear(layer + "self_attn." + name, x).view({batch, length, -1, a.head_dim});
    };
    Tensor q = heads("q_proj");
    Tensor k = heads("k_proj");
    if (spec.qk_norm) {
      q = plain_norm(q, w.at(layer + "self_attn.q_norm.weight"), a.rms_norm_eps);
      k = plain_norm(k, w.at(layer + "self_attn.k_norm.weight"), a.rms_norm_eps);
    }
    q = plain_rotate(q, angles).transpose(1, 2);
    k = plain_rotate(k, angles).repeat_interleave(a.heads / a.kv_heads, 2).transpose(1, 2);
    const Tensor v = heads("v_proj").repeat_interleave(a.heads / a.kv_heads, 2).transpose(1, 2);
    const Tensor scores = q.matmul(k.transpose(-1, -2)) / std::sqrt(static_cast<double>(a.head_dim));
    const Tensor p = at::softmax(scores.masked_fill(hidden, -std::numeric_limits<double>::infinity()), -1);
    h = h + linear(layer + "self_attn.o_proj", p.matmul(v).transpose(1, 2).reshape({batch, length, -1}));
    x = plain_norm(h, w.at(layer + "post_attention_layernorm.weight"), a.rms_norm_eps);
    const Tensor gate = linear(layer + "mlp.gate_proj", x);
    const Tensor gated = spec.activation == Activation::silu ? at::silu(gate) : at::gelu(gate, "tanh");
    h = h + linear(layer + "mlp.down_proj", gated * linear(layer + "mlp.up_proj", x));
  }
  return plain_norm(h, w.at("model.norm.weight"), a.rms_norm_eps);
}

/// A trainable linear that counts how often each direction ran.
class CountingLinear final : public Linear {
 public:
  CountingLinear(Tensor weight, Tensor bias) : weight_(std::move(weight)), bias_(std::move(bias)) {}
  Tensor forward(const Tensor& x) override {
    ++forwards;
    Tensor y = at::linear(x, weight_, bias_.defined() ? std::optional<Tensor>(bias_) : std::nullopt);
    if (y.requires_grad()) y.register_hook([this](const Tensor& grad) { return ++backwards, grad; });
    return y;
  }
  int forwards = 0;
  int backwards = 0;

 private:
  Tensor weight_, bias_;
};

/// A model folder with random fp32 tensors, loaded; every tensor also as a trainable leaf.
struct SmallModel {
  TempDir folder;
  ModelFiles files;
  Weights leaves;

  explicit SmallModel(const Keys& changes, std::span<const Family> families = known_families()) {
    write_config(folder.path(), llama_keys(), changes);
    TensorMap tensors;
    for (const TensorSpec& spec : expected_tensors(read_architecture(folder.path(), families))) {
      const bool norm = spec.name.find("norm") != std::string::npos;
      tensors.set(spec.name, as_host(at::randn(spec.shape) * 0.3 + (norm ? 1.0 : 0.0)));
    }
    write_tensors(folder / "model.safetensors", tensors);
    files = load_model_files(folder.path(), families);
    for (const auto& [name, tensor] : files.tensors)
      leaves[name] = as_torch(tensor).clone().set_requires_grad(true);
  }

  /// A decoder whose linears and norms are the leaves.
  std::unique_ptr<Decoder> decoder() {
    auto decoder = std::make_unique<Decoder>(files, at::kCPU, /*dense=*/false);
    for (auto& slot : decoder->slots()) {
      const Tensor bias = slot.spec.bias ? leaves.at(slot.spec.name + ".bias") : Tensor();
      slot.linear = std::make_unique<CountingLinear>(leaves.at(slot.spec.name + ".weight"), bias);
    }
    for (const auto& norm : decoder->norms()) decoder->set_norm(norm.name, leaves.at(norm.name));
    return decoder;
  }

  /// Gradients of the leaves, which are then cleared.
  Weights take_gradients() {
    Weights out;
    for (auto& [name, leaf] : leaves) {
      if (leaf.grad().defined()) out[name] = leaf.grad().clone();
      leaf.mutable_grad() = Tensor();
    }
    return out;
  }
};

inline const Keys kLlamaScaled = {
    {"head_dim", "6"},
    {"attention_bias", "true"},
    {"mlp_bias", "true"},
    {"rope_scaling",
     "{\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, "
     "\"original_max_position_embeddings\": 64}"}};
inline const Keys kQwen3 = {{"model_type", "\"qwen3\""}, {"head_dim", "8"}, {"rope_theta", "1000000.0"}};
inline const Keys kQwen2 = {{"model_type", "\"qwen2\""}, {"rope_theta", "1000000.0"}};

inline Tensor random_ids(std::int64_t batch, std::int64_t length) {
  return at::randint(50, {batch, length}, at::kLong);
}

}  // namespace anemll::test
