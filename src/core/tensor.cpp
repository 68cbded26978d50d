// Shapes, strides and packing of host tensors, and the ordered map of names.
#include "anemll/core/tensor.hpp"

#include "anemll/core/error.hpp"

#include <algorithm>
#include <cstring>

namespace anemll {
namespace {

struct DTypeInfo {
  std::string_view name;
  std::size_t size;
};

constexpr DTypeInfo kInfo[] = {{"float64", 8}, {"float32", 4}, {"float16", 2}, {"bfloat16", 2}, {"int64", 8},
                               {"int32", 4},   {"int16", 2},   {"int8", 1},    {"uint8", 1},    {"uint16", 2},
                               {"uint32", 4},  {"uint64", 8},  {"bool", 1}};

const DTypeInfo& info(DType dtype) {
  return kInfo[static_cast<std::size_t>(dtype)];
}

}  // namespace

std::size_t size_of(DType dtype) {
  return info(dtype).size;
}
std::string_view name_of(DType dtype) {
  return info(dtype).name;
}
bool is_floating(DType dtype) {
  return dtype <= DType::bf16;
}

std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::int64_t step = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    strides[d] = step;
    step *= std::max<std::int64_t>(shape[d], 1);
  }
  return strides;
}

std::int64_t HostTensor::numel() const {
  std::int64_t n = 1;
  for (const std::int64_t d : shape) n *= d;
  return n;
}

bool HostTensor::contiguous() const {
  std::int64_t step = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    if (shape[d] == 0) return true;
    if (shape[d] != 1 && strides[d] != step) return false;
    step *= shape[d];
  }
  return true;
}

std::string HostTensor::describe() const {
  std::string text(name_of(dtype));
  text += '[';
  for (std::size_t d = 0; d < shape.size(); ++d) text += (d ? ", " : "") + std::to_string(shape[d]);
  return text + ']';
}

HostTensor HostTensor::zeros(DType dtype, std::vector<std::int64_t> shape) {
  HostTensor t;
  t.dtype = dtype;
  t.strides = contiguous_strides(shape);
  t.shape = std::move(shape);
  auto storage = std::make_shared<std::vector<std::byte>>(std::max<std::size_t>(t.bytes(), 1));
  t.data = storage->data();
  t.owner = std::move(storage);
  return t;
}

HostTensor HostTensor::packed() const {
  if (contiguous()) return *this;
  HostTensor out = zeros(dtype, shape);
  const std::size_t item = size_of(dtype);
  const std::int64_t n = numel();
  std::vector<std::int64_t> index(shape.size(), 0);
  std::byte* dst = out.mutable_bytes();
  for (std::int64_t i = 0; i < n; ++i, dst += item) {
    std::int64_t offset = 0;
    for (std::size_t d = 0; d < shape.size(); ++d) offset += index[d] * strides[d];
    std::memcpy(dst, data + static_cast<std::ptrdiff_t>(offset) * static_cast<std::ptrdiff_t>(item), item);
    for (std::size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
  return out;
}

std::uint64_t total_bytes(std::span<const LazyTensor> tensors) {
  std::uint64_t bytes = 0;
  for (const LazyTensor& t : tensors) {
    std::uint64_t n = size_of(t.dtype);
    for (const std::int64_t d : t.shape) n *= static_cast<std::uint64_t>(d);
    bytes += n;
  }
  return bytes;
}

LazyTensor lazy(std::string name, HostTensor tensor) {
  LazyTensor out{std::move(name), tensor.dtype, tensor.shape, {}, {}};
  out.make = [tensor = std::move(tensor)] { return tensor; };
  return out;
}

std::size_t TensorMap::lower_bound(std::string_view name) const {
  const auto it = std::lower_bound(sorted_.begin(), sorted_.end(), name,
                                   [&](std::size_t i, std::string_view n) { return entries_[i].first < n; });
  return static_cast<std::size_t>(it - sorted_.begin());
}

void TensorMap::set(std::string name, HostTensor tensor) {
  const std::size_t at = lower_bound(name);
  if (at < sorted_.size() && entries_[sorted_[at]].first == name) {
    entries_[sorted_[at]].second = std::move(tensor);
    return;
  }
  sorted_.insert(sorted_.begin() + static_cast<std::ptrdiff_t>(at), entries_.size());
  entries_.emplace_back(std::move(name), std::move(tensor));
}

const HostTensor* TensorMap::find(std::string_view name) const {
  const std::size_t at = lower_bound(name);
  if (at == sorted_.size() || entries_[sorted_[at]].first != name) return nullptr;
  return &entries_[sorted_[at]].second;
}

bool TensorMap::erase(std::string_view name) {
  const std::size_t at = lower_bound(name);
  if (at == sorted_.size() || entries_[sorted_[at]].first != name) return false;
  const std::size_t position = sorted_[at];
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(position));
  sorted_.erase(sorted_.begin() + static_cast<std::ptrdiff_t>(at));
  for (std::size_t& i : sorted_) i -= i > position ? 1 : 0;
  return true;
}

}  // namespace anemll
