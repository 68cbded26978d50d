// See kd_batch.hpp. All arrays are cut alike: what a column holds makes no difference.
#include "anemll/data/kd_batch.hpp"

#include <algorithm>
#include <utility>

namespace anemll {
namespace {

template <class Arrays>
auto* find_array(Arrays& arrays, std::string_view name) {
  const auto found =
      std::find_if(arrays.begin(), arrays.end(), [&](const auto& a) { return a.name == name; });
  return found == arrays.end() ? nullptr : &*found;
}

}  // namespace

void ColumnArrays::reshape(std::span<const Extent> extents) {
  std::vector<Array> next;
  next.reserve(extents.size());
  for (const Extent& extent : extents) {
    Array* old = find_array(arrays_, extent.name);
    next.push_back({extent.name, old == nullptr ? std::vector<std::byte>() : std::move(old->bytes)});
    next.back().bytes.resize(extent.bytes);
  }
  arrays_ = std::move(next);
}

std::span<const std::byte> ColumnArrays::bytes(std::string_view name) const {
  const Array* found = find_array(arrays_, name);
  return found == nullptr ? std::span<const std::byte>() : std::span(found->bytes);
}

std::span<std::byte> ColumnArrays::bytes(std::string_view name) {
  Array* found = find_array(arrays_, name);
  return found == nullptr ? std::span<std::byte>() : std::span(found->bytes);
}

std::byte* ColumnArrays::extend_bytes(std::string_view name, std::size_t more) {
  Array* array = find_array(arrays_, name);
  if (array == nullptr) array = &arrays_.emplace_back(Array{name, {}});
  const std::size_t before = array->bytes.size();
  array->bytes.resize(before + more);
  return array->bytes.data() + before;
}

KdBatch KdBatch::slice(std::int64_t first, std::int64_t count) const {
  KdBatch out;
  out.rows = count;
  out.length = length;
  out.positions = positions;
  out.topk = topk;
  out.rand_neg = rand_neg;
  out.hidden_size = hidden_size;
  out.row_ids.assign(row_ids.begin() + first, row_ids.begin() + first + count);
  for (const Array& array : arrays_) {
    const auto row = static_cast<std::ptrdiff_t>(array.bytes.size()) / rows;
    const auto from = array.bytes.begin() + first * row;
    out.arrays_.push_back({array.name, {from, from + count * row}});
  }
  return out;
}

void KdBatch::keep_rows(std::span<const std::int64_t> places) {
  const auto pick = [&](auto& values) {
    const auto width = static_cast<std::ptrdiff_t>(values.size()) / rows;
    auto to = values.begin();
    for (const std::int64_t place : places) {
      // Never behind where it comes from: rows only move to the front.
      const auto from = values.begin() + place * width;
      to = from == to ? to + width : std::copy_n(from, width, to);
    }
    values.erase(to, values.end());
  };
  for (Array& array : arrays_) pick(array.bytes);
  pick(row_ids);
  rows = static_cast<std::int64_t>(places.size());
}

}  // namespace anemll
