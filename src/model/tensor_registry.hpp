// Names of tensors. Everything that knows one (loading, checking, the decoder, GGUF) asks here or goes
// through expected_tensors().
#pragma once

#include "anemll/model/architecture.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace anemll {

inline constexpr const char* kEmbeddingName = "model.embed_tokens.weight";
inline constexpr const char* kHeadName = "lm_head.weight";
inline constexpr const char* kGgufEmbeddingName = "token_embd.weight";
inline constexpr const char* kGgufHeadName = "output.weight";

/// 3 of "model.layers.3.mlp.up_proj.weight"; nothing of names outside the layers.
std::optional<std::int64_t> layer_of(std::string_view name);
/// 3 of "blk.3.ffn_up.weight".
std::optional<std::int64_t> gguf_layer_of(std::string_view name);

/// "blk.0.attn_q.bias"
std::string gguf_bias_name(std::size_t layer, LayerLinear linear);

}  // namespace anemll
