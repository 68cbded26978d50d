// The one table of tensors: a row says where a tensor stands in a layer, its name in a model folder and in a
// GGUF file, and its widths.
#include "src/model/tensor_registry.hpp"

#include <array>
#include <charconv>
#include <utility>

namespace anemll {
namespace {

constexpr std::string_view kLayers = "model.layers.";
constexpr std::string_view kGgufLayers = "blk.";
constexpr std::string_view kWeight = ".weight";
constexpr std::string_view kBias = ".bias";

enum class Width : std::uint8_t { hidden, queries, keys, inner, head };

std::int64_t width(const Architecture& a, Width which) {
  switch (which) {
    case Width::hidden:
      return a.hidden_size;
    case Width::queries:
      return a.heads * a.head_dim;
    case Width::keys:
      return a.kv_heads * a.head_dim;
    case Width::inner:
      return a.intermediate_size;
    case Width::head:
      return a.head_dim;
  }
  return 0;
}

/// A linear, whose bias stands behind its weight, or a norm.
struct Row {
  TensorRole role;
  LayerLinear linear;  ///< of linears
  std::string_view name, gguf;
  Width out;
  Width in;  ///< of linears
};

constexpr Row linear_row(LayerLinear linear, std::string_view name, std::string_view gguf, Width out,
                         Width in) {
  return {TensorRole::weight, linear, name, gguf, out, in};
}
constexpr Row norm_row(TensorRole role, std::string_view name, std::string_view gguf, Width size) {
  return {role, LayerLinear::q, name, gguf, size, size};
}

/// A layer, in state-dict order. Linears stand in the order of LayerLinear.
constexpr std::array kRows{
    linear_row(LayerLinear::q, "self_attn.q_proj", "attn_q", Width::queries, Width::hidden),
    linear_row(LayerLinear::k, "self_attn.k_proj", "attn_k", Width::keys, Width::hidden),
    linear_row(LayerLinear::v, "self_attn.v_proj", "attn_v", Width::keys, Width::hidden),
    linear_row(LayerLinear::o, "self_attn.o_proj", "attn_output", Width::hidden, Width::queries),
    norm_row(TensorRole::q_norm, "self_attn.q_norm", "attn_q_norm", Width::head),
    norm_row(TensorRole::k_norm, "self_attn.k_norm", "attn_k_norm", Width::head),
    linear_row(LayerLinear::gate, "mlp.gate_proj", "ffn_gate", Width::inner, Width::hidden),
    linear_row(LayerLinear::up, "mlp.up_proj", "ffn_up", Width::inner, Width::hidden),
    linear_row(LayerLinear::down, "mlp.down_proj", "ffn_down", Width::hidden, Width::inner),
    norm_row(TensorRole::input_norm, "input_layernorm", "attn_norm", Width::hidden),
    norm_row(TensorRole::post_norm, "post_attention_layernorm", "ffn_norm", Width::hidden),
};

bool is_present(const Row& row, const LayerSpec& layer) {
  const bool head_norm = row.role == TensorRole::q_norm || row.role == TensorRole::k_norm;
  return !head_norm || layer.qk_norm;
}

/// "model.layers.3.mlp.up_proj", or of a GGUF file "blk.3.ffn_up".
std::string stem(std::size_t layer, const Row& row) {
  return std::string(kLayers) + std::to_string(layer) + "." + std::string(row.name);
}
std::string gguf_stem(std::size_t layer, const Row& row) {
  return std::string(kGgufLayers) + std::to_string(layer) + "." + std::string(row.gguf);
}

std::optional<std::int64_t> number_behind(std::string_view prefix, std::string_view name) {
  std::int64_t number = 0;
  if (!name.starts_with(prefix)) return std::nullopt;
  const auto [end, error] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), number);
  if (error != std::errc() || end == name.data() + name.size() || *end != '.') return std::nullopt;
  return number;
}

}  // namespace

std::vector<LinearSpec> body_linears(const Architecture& a) {
  std::vector<LinearSpec> list;
  for (std::size_t i = 0; i < a.layers.size(); ++i) {
    for (const Row& row : kRows) {
      if (row.role != TensorRole::weight) continue;
      list.push_back({stem(i, row), width(a, row.out), width(a, row.in), row.linear >= LayerLinear::gate,
                      a.layers[i].bias(row.linear)});
    }
  }
  return list;
}

std::vector<TensorSpec> expected_tensors(const Architecture& a) {
  std::vector<TensorSpec> list;
  const auto add = [&list](std::string name, std::string gguf, std::vector<std::int64_t> shape,
                           TensorRole role, std::size_t layer = 0, LayerLinear linear = LayerLinear::q) {
    list.push_back({std::move(name), std::move(shape), std::move(gguf), role, layer, linear});
  };
  add(kEmbeddingName, kGgufEmbeddingName, {a.vocab_size, a.hidden_size}, TensorRole::embedding);
  for (std::size_t i = 0; i < a.layers.size(); ++i) {
    for (const Row& row : kRows) {
      if (!is_present(row, a.layers[i])) continue;
      const std::string name = stem(i, row), gguf = gguf_stem(i, row);
      const std::int64_t out = width(a, row.out);
      const auto put = [&](std::string_view suffix, std::vector<std::int64_t> shape, TensorRole role) {
        add(name + std::string(suffix), gguf + std::string(suffix), std::move(shape), role, i, row.linear);
      };
      if (row.role != TensorRole::weight) {
        put(kWeight, {out}, row.role);
        continue;
      }
      put(kWeight, {out, width(a, row.in)}, TensorRole::weight);
      if (a.layers[i].bias(row.linear)) put(kBias, {out}, TensorRole::bias);
    }
  }
  add("model.norm.weight", "output_norm.weight", {a.hidden_size}, TensorRole::final_norm);
  add(kHeadName, kGgufHeadName, {a.vocab_size, a.hidden_size}, TensorRole::head);
  return list;
}

std::optional<std::int64_t> layer_of(std::string_view name) {
  return number_behind(kLayers, name);
}

std::optional<std::int64_t> gguf_layer_of(std::string_view name) {
  return number_behind(kGgufLayers, name);
}

std::string gguf_bias_name(std::size_t layer, LayerLinear linear) {
  for (const Row& row : kRows) {
    if (row.role == TensorRole::weight && row.linear == linear)
      return gguf_stem(layer, row) + std::string(kBias);
  }
  return {};
}

}  // namespace anemll
