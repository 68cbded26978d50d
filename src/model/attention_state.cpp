#include "src/model/attention_state.hpp"

#include "anemll/core/error.hpp"

#include <algorithm>
#include <string>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>

namespace anemll {

KvCache::KvCache(std::int64_t layers, std::int64_t capacity)
    : capacity_(capacity), layers_(static_cast<std::size_t>(layers)) {}

std::int64_t KvCache::length() const {
  const auto shortest = std::min_element(layers_.begin(), layers_.end(),
                                         [](const Layer& a, const Layer& b) { return a.length < b.length; });
  return shortest == layers_.end() ? 0 : shortest->length;
}

KvCache KvCache::joined(const std::vector<KvCache>& parts) {
  const KvCache& first = parts.at(0);
  KvCache all(static_cast<std::int64_t>(first.layers_.size()), first.capacity_);
  for (std::size_t i = 0; i < all.layers_.size(); ++i) {
    std::vector<at::Tensor> keys;
    std::vector<at::Tensor> values;
    for (const KvCache& part : parts) {
      const Layer& layer = part.layers_.at(i);
      if (part.capacity_ != first.capacity_ || layer.length != first.layers_[i].length)
        throw_usage("caches of different lengths cannot become one", "KV cache", "join rows of equal length");
      keys.push_back(layer.entry.keys);
      values.push_back(layer.entry.values);
    }
    all.layers_[i] = {{at::cat(keys), at::cat(values)}, first.layers_[i].length};
  }
  return all;
}

void KvCache::keep_rows(const std::vector<std::int64_t>& rows) {
  for (Layer& layer : layers_) {
    if (!layer.entry.keys.defined()) continue;
    const at::Tensor index = at::tensor(rows, layer.entry.keys.options().dtype(at::kLong));
    layer.entry = {layer.entry.keys.index_select(0, index), layer.entry.values.index_select(0, index)};
  }
}

KvCache::Entry KvCache::append(std::size_t index, std::int64_t first, const at::Tensor& keys,
                               const at::Tensor& values) {
  const std::string where = "KV cache, layer " + std::to_string(index);
  if (at::GradMode::is_enabled() && (keys.requires_grad() || values.requires_grad()))
    throw_usage("a pass with gradients cannot use a KV cache", where, "run it without gradients");
  Layer& layer = layers_.at(index);
  const std::int64_t end = first + keys.size(1);
  if (first > layer.length || end > capacity_) {
    throw_usage("positions " + std::to_string(first) + " to " + std::to_string(end - 1) +
                    " do not fit behind " + std::to_string(layer.length) + " of at most " +
                    std::to_string(capacity_),
                where, "pass the tokens in order, and make the cache large enough");
  }
  Entry& all = layer.entry;
  if (!all.keys.defined()) {
    const std::vector<std::int64_t> shape{keys.size(0), capacity_, keys.size(2), keys.size(3)};
    all = {at::empty(shape, keys.options()), at::empty(shape, values.options())};
  }
  if (all.keys.size(0) != keys.size(0) || all.keys.scalar_type() != keys.scalar_type()) {
    throw_usage("the tokens have another number of rows or compute type than those before", where,
                "make a new cache for them");
  }
  all.keys.narrow(1, first, keys.size(1)).copy_(keys);
  all.values.narrow(1, first, keys.size(1)).copy_(values);
  layer.length = end;
  return {all.keys.narrow(1, 0, end), all.values.narrow(1, 0, end)};
}

}  // namespace anemll
