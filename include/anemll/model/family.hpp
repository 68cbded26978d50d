// A model family as a row of a table: what its implementation fixes and config.json does not say. A new
// family is a new row, here (families.cpp) or in the table that a caller hands to the readers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace anemll {

/// The linears of a layer, in module-definition order.
enum class LayerLinear : std::uint8_t { q, k, v, o, gate, up, down };
inline constexpr std::size_t kLayerLinears = 7;

/// What decides whether a linear has a bias.
enum class BiasRule : std::uint8_t {
  never,
  always,
  attention_key,  ///< "attention_bias" of config.json
  mlp_key,        ///< "mlp_bias"
};

struct Family {
  std::string_view name;  ///< model_type; of a GGUF file general.architecture and the prefix of its keys
  std::string_view class_name;                   ///< "Qwen3ForCausalLM": what other programs look for
  std::array<BiasRule, kLayerLinears> biases{};  ///< by LayerLinear
  bool qk_norm = false;                          ///< RMSNorm over head_dim on q and k before RoPE
  std::int64_t head_dim = 0;  ///< where config.json does not say it; 0: hidden_size / num_attention_heads
  bool windows = false;       ///< reads use_sliding_window, sliding_window and max_window_layers
  bool gguf_pairs = false;    ///< GGUF files hold the two rows of q and k that rotate together side by side
};

/// The families that every program knows.
std::span<const Family> known_families();

}  // namespace anemll
