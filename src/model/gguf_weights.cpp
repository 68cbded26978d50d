#include "src/model/internal/gguf_weights.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/half.hpp"
#include "anemll/core/log.hpp"
#include "src/core/content_kind.hpp"
#include "src/kernels/parallel.hpp"
#include "src/model/tensor_registry.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace anemll {
namespace {

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

/// What becomes of a stored tensor on its way.
struct Change {
  RowOrder order;
  float factor = 1;  ///< of all values
};

/// One matrix of blocks. Rows are converted in parallel; nothing of the size of the tensor is made besides
/// it, unless values are beyond the range of halves.
HostTensor from_blocks(const GgufFile& file, const GgufTensor& tensor, GgufType type, Change change,
                       DType to) {
  constexpr std::int64_t kGrain = 1 << 16;   // values worth a thread
  constexpr float kHalfOverflow = 65520.0F;  // rounds to infinity
  const std::int64_t rows = tensor.shape.front(), columns = tensor.shape.back();
  const auto width = static_cast<std::size_t>(columns);
  const std::size_t row_bytes = tensor.data.size() / static_cast<std::size_t>(rows);
  HostTensor out = HostTensor::zeros(to, tensor.shape);
  std::byte* const bytes = out.mutable_bytes();
  std::atomic<bool> infinite = false, too_large = false;
  kernels::parallel_for(
      rows, std::max<std::int64_t>(kGrain / columns, 1), [&](std::int64_t from, std::int64_t end) {
        std::vector<float> values(width);
        for (std::int64_t row = from; row < end; ++row) {
          dequantise_blocks(type, tensor.data.subspan(static_cast<std::size_t>(row) * row_bytes, row_bytes),
                            values);
          float largest = 0;
          bool finite = true;
          for (float& value : values) {
            value *= change.factor;
            finite = finite && std::isfinite(value);
            largest = std::max(largest, std::abs(value));
          }
          if (!finite) infinite = true;
          if (largest >= kHalfOverflow) too_large = true;
          std::byte* const target =
              bytes + static_cast<std::size_t>(change.order.target(row)) * width * size_of(to);
          if (to == DType::f32) {
            std::memcpy(target, values.data(), width * sizeof(float));
          } else {
            float_to_half(values, {reinterpret_cast<std::uint16_t*>(target), width});
          }
        }
      });
  if (infinite) {
    throw_data("tensor " + tensor.name + " holds infinities or not-a-numbers", file.path.string(),
               "the file is damaged; " + fetch_advice(file.path));
  }
  return too_large && to == DType::f16 ? from_blocks(file, tensor, type, change, DType::f32) : out;
}

std::string damaged(const GgufFile& file) {
  return "the file is damaged or incomplete; convert the original model again (convert_hf_to_gguf.py of "
         "llama.cpp), or " +
         fetch_advice(file.path);
}

HostTensor load(const GgufFile& file, const GgufTensor& tensor, Change change) {
  const GgufType type = type_of(file, tensor);
  const bool blocks = block_of(type).values > 1;
  if (blocks && tensor.shape.size() == 2) return from_blocks(file, tensor, type, change, DType::f16);
  if (change.factor != 1) {
    throw_data("tensor " + tensor.name + strf(" is not quantised, but has a scale: %g", change.factor),
               file.path.string(), damaged(file));
  }
  return reordered(dequantise(file, tensor), change.order);
}

std::string describe(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t d = 0; d < shape.size(); ++d) text += (d ? ", " : "") + std::to_string(shape[d]);
  return text + "]";
}

using Stored = std::unordered_map<std::string_view, const GgufTensor*>;

/// The rows of q, k or v out of one matrix (or bias) of all three.
void split_fused(const Architecture& a, Stored& stored, std::deque<GgufTensor>& parts) {
  const std::int64_t queries = a.heads * a.head_dim, keys = a.kv_heads * a.head_dim;
  struct Part {
    LayerLinear linear;
    std::string_view name;
    std::int64_t first, rows;
  };
  const std::array all{Part{LayerLinear::q, "attn_q.", 0, queries},
                       Part{LayerLinear::k, "attn_k.", queries, keys},
                       Part{LayerLinear::v, "attn_v.", queries + keys, keys}};
  std::vector<std::string> split;
  for (const TensorSpec& spec : expected_tensors(a)) {
    const auto part = std::find_if(all.begin(), all.end(), [&](const Part& p) {
      return p.linear == spec.linear && spec.gguf_name.find(p.name) != std::string::npos;
    });
    if (part == all.end() || stored.contains(spec.gguf_name)) continue;
    std::string fused = spec.gguf_name;
    fused.replace(fused.find(part->name), part->name.size(), "attn_qkv.");
    const auto whole = stored.find(fused);
    if (whole == stored.end() || whole->second->shape.empty() ||
        whole->second->shape.front() != queries + 2 * keys)
      continue;
    GgufTensor& out = parts.emplace_back(*whole->second);
    const std::size_t row_bytes = out.data.size() / static_cast<std::size_t>(out.shape.front());
    out.name = spec.gguf_name;
    out.shape.front() = part->rows;
    out.data = out.data.subspan(static_cast<std::size_t>(part->first) * row_bytes,
                                static_cast<std::size_t>(part->rows) * row_bytes);
    stored.emplace(out.name, &out);
    split.push_back(fused);
  }
  for (const std::string& name : split) stored.erase(name);
}

/// NVFP4 files may have one more scale for a whole matrix: blk.0.attn_q.scale beside blk.0.attn_q.weight. The
/// input_scale beside it is for devices that quantise activations.
float take_scale(const GgufFile& file, Stored& stored, const std::string& weight, Inventory& inventory) {
  constexpr std::string_view kEnd = ".weight";
  if (!weight.ends_with(kEnd)) return 1;
  const std::string stem = weight.substr(0, weight.size() - kEnd.size());
  const std::string input = stem + ".input_scale", scale = stem + ".scale";
  if (stored.erase(input) != 0)
    inventory.add(Fate::left_out, "tensor", input, "it serves to quantise activations, which is not done");
  const auto found = stored.find(scale);
  if (found == stored.end()) return 1;
  const GgufTensor& tensor = *found->second;
  stored.erase(found);
  float value = 0;
  const GgufType type = type_of(file, tensor);
  const bool single = type == GgufType::f32 && tensor.data.size() == sizeof(value);
  if (single) std::memcpy(&value, tensor.data.data(), sizeof(value));
  if (!std::isfinite(value) || value <= 0) {
    throw_data("tensor " + scale + " is " +
                   (single ? strf("%g", value) : name_of(type) + describe(tensor.shape)) +
                   ", not one positive number of type F32",
               file.path.string(), damaged(file));
  }
  return value;
}

}  // namespace

TensorMap gguf_weights(const GgufFile& file, const Architecture& architecture, const Family& family,
                       Inventory& inventory) {
  Stored stored;
  for (const GgufTensor& tensor : file.tensors) stored.emplace(tensor.name, &tensor);
  stored.erase("rope_freqs.weight");  // the configuration holds what it says

  std::deque<GgufTensor> parts;  // they stay where they are
  split_fused(architecture, stored, parts);

  // Which tensors there are is settled before the first is touched.
  struct Planned {
    TensorSpec spec;
    const GgufTensor* tensor;
    float factor;
  };
  std::vector<Planned> plan;
  for (TensorSpec& spec : expected_tensors(architecture)) {
    const std::string& name = spec.gguf_name;
    const auto found = stored.find(name);
    if (found == stored.end()) {
      if (architecture.tied_embeddings && spec.role == TensorRole::head) continue;
      throw_data("tensor " + name + " is missing", file.path.string(), damaged(file));
    }
    if (found->second->shape != spec.shape) {
      throw_data("tensor " + name + " is " + describe(found->second->shape) + ", the metadata says " +
                     describe(spec.shape),
                 file.path.string(), damaged(file));
    }
    const GgufTensor* tensor = found->second;
    stored.erase(found);
    const float factor = take_scale(file, stored, name, inventory);
    plan.push_back({std::move(spec), tensor, factor});
  }
  if (!stored.empty()) {
    const std::string name(stored.begin()->first);
    if (gguf_layer_of(name).value_or(-1) >= architecture.layer_count()) {
      throw_data(
          "tensor " + name + " is beyond the last layer",
          file.path.string() + ", key \"" + architecture.family + ".block_count\"",
          "the key counts " + std::to_string(architecture.layer_count()) + " layers; " + damaged(file));
    }
    throw_data("tensor " + name + " has no place in a model of the family " + architecture.family,
               file.path.string(),
               "the model computes something that is not supported; give another one: a folder, a GGUF file "
               "or ORG/NAME");
  }

  TensorMap out;
  for (const auto& [spec, tensor, factor] : plan) {
    const bool linear = spec.role == TensorRole::weight || spec.role == TensorRole::bias;
    const bool rotated = linear && (spec.linear == LayerLinear::q || spec.linear == LayerLinear::k);
    const bool paired = family.gguf_pairs && rotated;
    out.set(spec.name, load(file, *tensor, {RowOrder(paired ? architecture.head_dim : 0), factor}));
  }
  for (const auto& map : file.maps) map->release_pages();
  return out;
}

}  // namespace anemll
