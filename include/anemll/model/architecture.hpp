// The architecture as data: what config.json says about a decoder, layer by layer, and which tensors follow
// from it. One implementation reads it. How config.json becomes this data is a row of a table: family.hpp.
#pragma once

#include "anemll/model/family.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anemll {

struct RopeScaling {  ///< "llama3" frequency scaling; absent means none
  double factor = 1, low_freq_factor = 1, high_freq_factor = 4;
  std::int64_t original_max_position = 8192;
  bool operator==(const RopeScaling&) const = default;
};

/// Rotary embedding of queries and keys.
struct Rope {
  double theta = 10000;
  std::optional<RopeScaling> scaling;
  bool operator==(const Rope&) const = default;
};

/// What the gate goes through before it multiplies the other half of the MLP.
enum class Activation : std::uint8_t { silu, gelu_tanh };

/// What one layer is, beyond the widths that all share.
struct LayerSpec {
  std::array<bool, kLayerLinears> biases{};  ///< by LayerLinear
  bool qk_norm = false;                      ///< RMSNorm over head_dim on q and k before RoPE
  Activation activation = Activation::silu;
  std::int64_t window = 0;  ///< positions that a token sees, itself included; 0: all up to its own
  Rope rope;

  bool bias(LayerLinear linear) const { return biases[static_cast<std::size_t>(linear)]; }
  bool operator==(const LayerSpec&) const = default;
};

struct Architecture {
  std::string family;  ///< model_type: "qwen3", "llama"
  std::int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0;
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0, max_positions = 0;
  double rms_norm_eps = 1e-6;
  bool tied_embeddings = false;
  std::vector<LayerSpec> layers;

  std::int64_t layer_count() const { return static_cast<std::int64_t>(layers.size()); }
};

/// `model`: a model folder, whose config.json is read in the old key names (rope_theta, torch_dtype) and the
/// new (rope_parameters, dtype), or a .gguf file, opened for this alone (open_model). Data errors as there.
Architecture read_architecture(const std::filesystem::path& model,
                               std::span<const Family> families = known_families());

/// One linear of the body, in module-definition order (per layer q, k, v, o, gate, up, down).
struct LinearSpec {
  std::string name;  ///< "model.layers.0.self_attn.q_proj"
  std::int64_t out = 0, in = 0;
  bool mlp = false;
  bool bias = false;
};
std::vector<LinearSpec> body_linears(const Architecture& architecture);

/// What a tensor is to the decoder.
enum class TensorRole : std::uint8_t {
  embedding,
  weight,  ///< of a linear
  bias,    ///< of a linear
  q_norm,
  k_norm,
  input_norm,  ///< before the attention
  post_norm,   ///< before the MLP
  final_norm,
  head,
};

/// One tensor of the unquantised model: under which names it is stored, and what it is.
struct TensorSpec {
  std::string name;  ///< "model.layers.0.self_attn.q_proj.weight"
  std::vector<std::int64_t> shape;
  std::string gguf_name;  ///< "blk.0.attn_q.weight"
  TensorRole role = TensorRole::weight;
  std::size_t layer = 0;                ///< of tensors inside the layers
  LayerLinear linear = LayerLinear::q;  ///< of weights and biases
};

/// Every tensor of the unquantised model, in state-dict order (lm_head.weight last, listed even when tied).
std::vector<TensorSpec> expected_tensors(const Architecture& architecture);

}  // namespace anemll
