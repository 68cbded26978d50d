#include "src/model/gguf_weights.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/half.hpp"
#include "src/kernels/parallel.hpp"

#include <array>
#include <atomic>
#include <charconv>
#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace anemll {
namespace {

constexpr std::string_view kLayers = "model.layers.";

/// Parts of names; what follows (".weight", ".bias") is kept.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kOutside{{
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
}};
constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kInside{{
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
    {"post_attention_layernorm", "ffn_norm"},
}};

/// "model.layers.3.mlp.up_proj.weight" -> "blk.3.ffn_up.weight".
std::string gguf_name(std::string_view name) {
  const auto swap = [](std::string_view text, const auto& table) {
    for (const auto& [from, to] : table) {
      if (text.starts_with(from) && text.substr(from.size()).starts_with("."))
        return std::string(to) + std::string(text.substr(from.size()));
    }
    return std::string(text);
  };
  if (!name.starts_with(kLayers)) return swap(name, kOutside);
  const std::string_view rest = name.substr(kLayers.size());
  const std::size_t dot = rest.find('.');
  return "blk." + std::string(rest.substr(0, dot)) + "." + swap(rest.substr(dot + 1), kInside);
}

/// 3 of "blk.3.ffn_up.weight", -1 of names outside the layers.
std::int64_t layer_of(std::string_view name) {
  constexpr std::string_view kBlock = "blk.";
  std::int64_t layer = -1;
  if (name.starts_with(kBlock))
    std::from_chars(name.data() + kBlock.size(), name.data() + name.size(), layer);
  return layer;
}

/// Where a row of the file goes. GGUF stores Llama's q and k with the two rows that rotate together side by
/// side; the folder has the first ones of a head, then the second ones.
class RowOrder {
 public:
  explicit RowOrder(std::int64_t head_dim) : head_dim_(head_dim) {}  ///< 0: rows stay
  bool identity() const { return head_dim_ == 0; }
  std::int64_t target(std::int64_t row) const {
    if (identity()) return row;
    const std::int64_t within = row % head_dim_;
    return row - within + (within % 2) * (head_dim_ / 2) + within / 2;
  }

 private:
  std::int64_t head_dim_;
};

HostTensor reordered(const HostTensor& tensor, RowOrder order) {
  if (order.identity()) return tensor;
  HostTensor out = HostTensor::zeros(tensor.dtype, tensor.shape);
  const std::int64_t rows = tensor.shape.front();
  const std::size_t row_bytes = tensor.bytes() / static_cast<std::size_t>(rows);
  for (std::int64_t row = 0; row < rows; ++row) {
    std::memcpy(out.mutable_bytes() + static_cast<std::size_t>(order.target(row)) * row_bytes,
                tensor.data + static_cast<std::size_t>(row) * row_bytes, row_bytes);
  }
  return out;
}

/// One matrix of blocks. Rows are converted in parallel; nothing of the size of the tensor is made besides
/// it.
HostTensor from_blocks(const GgufFile& file, const GgufTensor& tensor, GgufType type, RowOrder order) {
  constexpr std::int64_t kGrain = 1 << 16;   // values worth a thread
  constexpr float kHalfOverflow = 65520.0F;  // rounds to infinity
  const std::int64_t rows = tensor.shape.front(), columns = tensor.shape.back();
  const auto width = static_cast<std::size_t>(columns);
  const std::size_t row_bytes = tensor.data.size() / static_cast<std::size_t>(rows);
  HostTensor out = HostTensor::zeros(DType::f16, tensor.shape);
  auto* halves = reinterpret_cast<std::uint16_t*>(out.mutable_bytes());
  std::atomic<bool> infinite = false, too_large = false;
  kernels::parallel_for(
      rows, std::max<std::int64_t>(kGrain / columns, 1), [&](std::int64_t from, std::int64_t to) {
        std::vector<float> values(width);
        for (std::int64_t row = from; row < to; ++row) {
          dequantise_blocks(type, tensor.data.subspan(static_cast<std::size_t>(row) * row_bytes, row_bytes),
                            values);
          float largest = 0;
          bool finite = true;
          for (const float value : values) {
            finite = finite && std::isfinite(value);
            largest = std::max(largest, std::abs(value));
          }
          if (!finite) infinite = true;
          if (largest >= kHalfOverflow) too_large = true;
          float_to_half(values, {halves + static_cast<std::size_t>(order.target(row)) * width, width});
        }
      });
  if (infinite) {
    throw_data("tensor " + tensor.name + " holds infinities or not-a-numbers", file.path.string(),
               "the file is damaged; download it again");
  }
  return too_large ? reordered(dequantise(file, tensor), order) : out;
}

HostTensor load(const GgufFile& file, const GgufTensor& tensor, RowOrder order) {
  const GgufType type = type_of(file, tensor);
  const bool blocks = block_of(type).values > 1;
  if (blocks && tensor.shape.size() == 2) return from_blocks(file, tensor, type, order);
  return reordered(dequantise(file, tensor), order);
}

std::string describe(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t d = 0; d < shape.size(); ++d) text += (d ? ", " : "") + std::to_string(shape[d]);
  return text + "]";
}

}  // namespace

TensorMap gguf_weights(const GgufFile& file, const Architecture& architecture) {
  std::unordered_map<std::string_view, const GgufTensor*> stored;
  for (const GgufTensor& tensor : file.tensors) stored.emplace(tensor.name, &tensor);
  stored.erase("rope_freqs.weight");  // the configuration holds what it says

  // Which tensors there are is settled before the first is touched.
  std::vector<std::pair<std::string, const GgufTensor*>> plan;
  for (const TensorSpec& spec : expected_tensors(architecture)) {
    const std::string name = gguf_name(spec.name);
    const auto found = stored.find(name);
    if (found == stored.end()) {
      if (architecture.tied_embeddings && spec.name == "lm_head.weight") continue;
      throw_data("tensor " + name + " is missing", file.path.string(),
                 "the file is incomplete; convert the original model again");
    }
    if (found->second->shape != spec.shape) {
      throw_data("tensor " + name + " is " + describe(found->second->shape) + ", the metadata says " +
                     describe(spec.shape),
                 file.path.string(), "the file is damaged; convert the original model again");
    }
    plan.emplace_back(spec.name, found->second);
    stored.erase(found);
  }
  if (!stored.empty()) {
    const std::string name(stored.begin()->first);
    if (layer_of(name) >= architecture.layers) {
      throw_data("tensor " + name + " is beyond the last layer",
                 file.path.string() + ", key \"" + architecture.family + ".block_count\"",
                 "the key counts " + std::to_string(architecture.layers) +
                     " layers; convert the original model again");
    }
    throw_data("tensor " + name + " has no place in a model of the family " + architecture.family,
               file.path.string(), "the model computes something that is not supported; use another one");
  }

  const bool pairwise = architecture.family == "llama";
  TensorMap out;
  for (const auto& [name, tensor] : plan) {
    const bool rotated =
        name.find(".q_proj.") != std::string::npos || name.find(".k_proj.") != std::string::npos;
    out.set(name, load(file, *tensor, RowOrder(pairwise && rotated ? architecture.head_dim : 0)));
  }
  file.map->release_pages();
  return out;
}

}  // namespace anemll
