#include "src/inspect/checkpoint_diff.hpp"

#include "src/inspect/internal/value_chunks.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include <ATen/core/grad_mode.h>

namespace anemll {
namespace {

using D = TensorDifference;

bool same_bytes(const HostTensor& a, const HostTensor& b) {
  if (a.dtype != b.dtype) return false;
  const HostTensor x = a.packed();
  const HostTensor y = b.packed();
  return x.bytes() == 0 || (x.data == y.data) || std::memcmp(x.data, y.data, x.bytes()) == 0;
}

D compare(const std::string& name, const HostTensor& a, const HostTensor& b) {
  D found;
  found.name = name;
  found.first = a.describe();
  found.second = b.describe();
  found.same_shape = a.shape == b.shape;
  found.values = a.numel();
  if (!found.same_shape || same_bytes(a, b)) return found;
  const ValueChunks left(a), right(b);
  for (std::int64_t first = 0; first < left.size(); first += kChunkValues) {
    const at::Tensor x = left.from(first);
    const at::Tensor y = right.from(first);
    const at::Tensor differ = x.ne(y).logical_and(x.isnan().logical_and(y.isnan()).logical_not());
    const at::Tensor finite = x.isfinite().logical_and(y.isfinite());
    const at::Tensor distance = x.sub(y).abs().where(finite, x.new_zeros({}));
    found.changed += differ.sum().item<std::int64_t>();
    found.not_finite += differ.logical_and(finite.logical_not()).sum().item<std::int64_t>();
    found.largest = std::max(found.largest, distance.max().item<double>());
    found.sum += distance.sum().item<double>();
  }
  return found;
}

constexpr auto kColumns = std::to_array<Column<D>>({
    {"", "tensor", "", "its name", Shown::text, [](const D& d) { return Figure(d.name); }},
    {"differing", "first", "", "type and shape in the first file", Shown::text,
     [](const D& d) { return Figure(d.first); }},
    {"differing", "second", "", "the same in the second", Shown::text,
     [](const D& d) { return Figure(d.second); }},
    {"differing", "largest", "", "largest |first - second|", Shown::number,
     [](const D& d) { return d.same_shape ? Figure(d.largest) : Figure(); }},
    {"differing", "mean", "", "mean of |first - second|", Shown::number,
     [](const D& d) { return d.same_shape ? Figure(d.mean()) : Figure(); }},
    {"differing", "changed", "values", "that are another number", Shown::number,
     [](const D& d) { return d.same_shape ? Figure(d.changed) : Figure(); }},
    {"differing", "changed_share", "share", "of all values", Shown::percent,
     [](const D& d) {
       return d.same_shape && d.values > 0
                  ? Figure(static_cast<double>(d.changed) / static_cast<double>(d.values))
                  : Figure();
     }},
    {"differing", "not_finite", "values", "changed ones where either is NaN or infinite", Shown::number,
     [](const D& d) { return d.same_shape ? Figure(d.not_finite) : Figure(); }},
});

}  // namespace

double TensorDifference::mean() const {
  const std::int64_t pairs = values - not_finite;
  return pairs == 0 ? 0 : sum / static_cast<double>(pairs);
}

std::span<const Column<TensorDifference>> difference_columns() {
  return kColumns;
}

CheckpointDiff diff_tensors(const TensorMap& first, const TensorMap& second,
                            const std::function<void(std::int64_t)>& before) {
  const at::NoGradGuard no_grad;
  CheckpointDiff diff;
  std::int64_t place = 0;
  for (const auto& [name, tensor] : first) {
    if (before) before(place++);
    const HostTensor* other = second.find(name);
    if (other == nullptr) {
      diff.only_first.push_back(name);
      continue;
    }
    ++diff.common;
    D found = compare(name, tensor, *other);
    if (name.ends_with("._indices") && found.same_shape) {
      diff.indices += found.values;
      diff.changed_indices += found.changed;
      diff.changed_index_layers += found.changed > 0 ? 1 : 0;
    }
    if (!found.same()) diff.differing.push_back(std::move(found));
  }
  for (const auto& [name, tensor] : second) {
    if (!first.contains(name)) diff.only_second.push_back(name);
  }
  std::stable_sort(diff.differing.begin(), diff.differing.end(), [](const D& a, const D& b) {
    if (a.same_shape != b.same_shape) return !a.same_shape;
    if ((a.not_finite > 0) != (b.not_finite > 0)) return a.not_finite > 0;
    return a.largest > b.largest;
  });
  return diff;
}

}  // namespace anemll
