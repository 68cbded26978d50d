#include "src/model/internal/gguf_weights.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/half.hpp"
#include "src/kernels/parallel.hpp"
#include "src/model/tensor_registry.hpp"

#include <atomic>
#include <cmath>
#include <cstring>
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

TensorMap gguf_weights(const GgufFile& file, const Architecture& architecture, const Family& family) {
  std::unordered_map<std::string_view, const GgufTensor*> stored;
  for (const GgufTensor& tensor : file.tensors) stored.emplace(tensor.name, &tensor);
  stored.erase("rope_freqs.weight");  // the configuration holds what it says

  // Which tensors there are is settled before the first is touched.
  std::vector<std::pair<TensorSpec, const GgufTensor*>> plan;
  for (TensorSpec& spec : expected_tensors(architecture)) {
    const std::string& name = spec.gguf_name;
    const auto found = stored.find(name);
    if (found == stored.end()) {
      if (architecture.tied_embeddings && spec.role == TensorRole::head) continue;
      throw_data("tensor " + name + " is missing", file.path.string(),
                 "the file is incomplete; convert the original model again");
    }
    if (found->second->shape != spec.shape) {
      throw_data("tensor " + name + " is " + describe(found->second->shape) + ", the metadata says " +
                     describe(spec.shape),
                 file.path.string(), "the file is damaged; convert the original model again");
    }
    const GgufTensor* tensor = found->second;
    stored.erase(found);
    plan.emplace_back(std::move(spec), tensor);
  }
  if (!stored.empty()) {
    const std::string name(stored.begin()->first);
    if (gguf_layer_of(name).value_or(-1) >= architecture.layer_count()) {
      throw_data("tensor " + name + " is beyond the last layer",
                 file.path.string() + ", key \"" + architecture.family + ".block_count\"",
                 "the key counts " + std::to_string(architecture.layer_count()) +
                     " layers; convert the original model again");
    }
    throw_data("tensor " + name + " has no place in a model of the family " + architecture.family,
               file.path.string(), "the model computes something that is not supported; use another one");
  }

  TensorMap out;
  for (const auto& [spec, tensor] : plan) {
    const bool linear = spec.role == TensorRole::weight || spec.role == TensorRole::bias;
    const bool rotated = linear && (spec.linear == LayerLinear::q || spec.linear == LayerLinear::k);
    const bool paired = family.gguf_pairs && rotated;
    out.set(spec.name, load(file, *tensor, RowOrder(paired ? architecture.head_dim : 0)));
  }
  file.map->release_pages();
  return out;
}

}  // namespace anemll
