// A model's tensors as a GGUF file: names, metadata and, for Llama, the rotary order of the format.
#pragma once

#include "anemll/core/tensor.hpp"
#include "anemll/model/architecture.hpp"
#include "tests/support/gguf_writer.hpp"

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace anemll::test {

/// "model.layers.1.mlp.up_proj.weight" -> "blk.1.ffn_up.weight".
inline std::string gguf_tensor_name(std::string name) {
  const std::pair<const char*, const char*> parts[] = {{"model.embed_tokens", "token_embd"},
                                                       {"model.norm", "output_norm"},
                                                       {"lm_head", "output"},
                                                       {"model.layers.", "blk."},
                                                       {"self_attn.q_proj", "attn_q"},
                                                       {"self_attn.k_proj", "attn_k"},
                                                       {"self_attn.v_proj", "attn_v"},
                                                       {"self_attn.o_proj", "attn_output"},
                                                       {"self_attn.q_norm", "attn_q_norm"},
                                                       {"self_attn.k_norm", "attn_k_norm"},
                                                       {"mlp.gate_proj", "ffn_gate"},
                                                       {"mlp.up_proj", "ffn_up"},
                                                       {"mlp.down_proj", "ffn_down"},
                                                       {"input_layernorm", "attn_norm"},
                                                       {"post_attention_layernorm", "ffn_norm"}};
  for (const auto& [from, to] : parts) {
    if (const auto at = name.find(from); at != std::string::npos) name.replace(at, std::strlen(from), to);
  }
  return name;
}

/// Rows i and i + head_dim/2 of every head become neighbours: what converters do to Llama's q and k.
inline HostTensor paired_rows(const HostTensor& tensor, std::int64_t head_dim) {
  HostTensor out = HostTensor::zeros(tensor.dtype, tensor.shape);
  const std::int64_t rows = tensor.shape.front();
  const std::size_t bytes = tensor.bytes() / static_cast<std::size_t>(rows);
  std::size_t to = 0;
  for (std::int64_t head = 0; head < rows; head += head_dim) {
    for (std::int64_t i = 0; i < head_dim / 2; ++i) {
      for (const std::int64_t row : {head + i, head + head_dim / 2 + i}) {
        std::memcpy(out.mutable_bytes() + bytes * to++, tensor.data + bytes * static_cast<std::size_t>(row),
                    bytes);
      }
    }
  }
  return out;
}

inline HostTensor gguf_layout(const Architecture& a, const std::string& name, const HostTensor& tensor) {
  const bool rotated = name.find("q_proj") != std::string::npos || name.find("k_proj") != std::string::npos;
  return a.family == "llama" && rotated ? paired_rows(tensor, a.head_dim) : tensor;
}

/// The metadata that converters write.
inline GgufWriter& put_architecture(GgufWriter& writer, const Architecture& a) {
  const std::string family = a.family + ".";
  const auto u32 = [](std::int64_t value) { return static_cast<std::uint32_t>(value); };
  writer.text("general.architecture", a.family);
  writer.u32(family + "block_count", u32(a.layer_count()))
      .u32(family + "context_length", u32(a.max_positions));
  writer.u32(family + "embedding_length", u32(a.hidden_size));
  writer.u32(family + "feed_forward_length", u32(a.intermediate_size));
  writer.u32(family + "attention.head_count", u32(a.heads));
  writer.u32(family + "attention.head_count_kv", u32(a.kv_heads));
  writer.u32(family + "attention.key_length", u32(a.head_dim));
  writer.f32(family + "rope.freq_base", static_cast<float>(a.layers.front().rope.theta));
  writer.f32(family + "attention.layer_norm_rms_epsilon", static_cast<float>(a.rms_norm_eps));
  return writer;
}

/// Every tensor in its own plain type.
inline GgufWriter& put_tensors(GgufWriter& writer, const Architecture& a, const TensorMap& tensors) {
  for (const auto& [name, tensor] : tensors) {
    if (a.tied_embeddings && name == "lm_head.weight") continue;
    writer.plain(gguf_tensor_name(name), gguf_layout(a, name, tensor));
  }
  return writer;
}

}  // namespace anemll::test
