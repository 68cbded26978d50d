// The architecture as data: what config.json says about a decoder, as a small table that one
// implementation reads. A new family is a new row here, not new code.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

struct RopeScaling {  ///< "llama3" frequency scaling; absent means none
  double factor = 1, low_freq_factor = 1, high_freq_factor = 4;
  std::int64_t original_max_position = 8192;
};

struct Architecture {
  std::string family;  ///< model_type: "qwen3", "llama"
  std::int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0, layers = 0;
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0, max_positions = 0;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000;
  std::optional<RopeScaling> rope_scaling;
  bool qk_norm = false;         ///< RMSNorm over head_dim on q and k before RoPE
  bool attention_bias = false;  ///< biases on q, k, v and o
  bool mlp_bias = false;
  bool tied_embeddings = false;
};

/// `model`: a model folder, whose config.json is read in the old key names (rope_theta, torch_dtype) and the
/// new (rope_parameters, dtype), or a .gguf file. Data errors name file, key and remedy; unknown families are
/// refused by name with the list of known ones.
Architecture read_architecture(const std::filesystem::path& model);

/// The text of a model folder's config.json; for a .gguf file the one that its metadata amounts to.
std::string model_config_json(const std::filesystem::path& model);

/// One linear of the body, in module-definition order (per layer q, k, v, o, gate, up, down).
struct LinearSpec {
  std::string name;  ///< "model.layers.0.self_attn.q_proj"
  std::int64_t out = 0, in = 0;
  bool mlp = false;
  bool bias = false;
};
std::vector<LinearSpec> body_linears(const Architecture& architecture);

/// Every tensor name of the unquantised model with its shape, in state-dict order (lm_head.weight last,
/// listed even when tied).
struct TensorSpec {
  std::string name;
  std::vector<std::int64_t> shape;
};
std::vector<TensorSpec> expected_tensors(const Architecture& architecture);

}  // namespace anemll
