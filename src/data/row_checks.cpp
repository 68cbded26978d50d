// See row_checks.hpp. Each check is a branch-free pass over a row that the compiler vectorises; only a
// row that fails it is searched for the place.
#include "src/data/row_checks.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

namespace anemll {
namespace {

template <class T>
T load(const std::byte* bytes, std::int64_t index) {
  T value;
  std::memcpy(&value, bytes + static_cast<std::size_t>(index) * sizeof(T), sizeof(T));
  return value;
}

bool bad_id(std::int32_t id, std::uint32_t limit) {
  return static_cast<std::uint32_t>(id) >= limit;
}
bool bad_half(std::uint16_t bits) {
  return (bits & 0x7C00U) == 0x7C00U;
}
bool bad_float(std::uint32_t bits) {
  return (bits & 0x7F800000U) == 0x7F800000U;
}
bool bad_mask(std::uint8_t value) {
  return value > 1;
}

// Integers in the order of the half floats they encode; both zeros are equal.
std::int32_t order_of(std::uint16_t bits) {
  const auto magnitude = static_cast<std::int32_t>(bits & 0x7FFFU);
  return (bits & 0x8000U) != 0 ? -magnitude : magnitude;
}

template <class T, class Bad>
std::int64_t first_bad(const std::byte* row, std::int64_t n, const Bad& bad) {
  bool any = false;
  for (std::int64_t i = 0; i < n; ++i) any |= bad(load<T>(row, i));
  if (!any) return -1;
  std::int64_t i = 0;
  while (!bad(load<T>(row, i))) ++i;
  return i;
}

// Index of the first logit that is larger than the one before it in its position's list of `k`.
std::int64_t first_rise(const std::byte* row, std::int64_t n, std::int64_t k) {
  for (std::int64_t start = 0; start < n; start += k) {
    bool any = false;
    for (std::int64_t i = start + 1; i < start + k; ++i) {
      any |= order_of(load<std::uint16_t>(row, i)) > order_of(load<std::uint16_t>(row, i - 1));
    }
    if (!any) continue;
    std::int64_t i = start + 1;
    while (order_of(load<std::uint16_t>(row, i)) <= order_of(load<std::uint16_t>(row, i - 1))) ++i;
    return i;
  }
  return -1;
}

std::string place(const DatasetSpec& spec, std::int64_t element) {
  if (spec.row_shape.size() < 2) return "position " + std::to_string(element);
  return "position " + std::to_string(element / spec.row_shape[1]) + ", entry " +
         std::to_string(element % spec.row_shape[1]);
}

std::string row_fault(const DatasetSpec& spec, std::int64_t vocab_size, const std::byte* row,
                      CheckLevel level) {
  const std::int64_t n = spec.row_elements();
  if (spec.column->content == Content::token_ids) {
    const auto limit = static_cast<std::uint32_t>(vocab_size > 0 ? std::min(vocab_size, std::int64_t{1} << 31)
                                                                 : std::int64_t{1} << 31);
    const std::int64_t i =
        first_bad<std::int32_t>(row, n, [&](std::int32_t id) { return bad_id(id, limit); });
    if (i < 0) return {};
    return place(spec, i) + ": id " + std::to_string(load<std::int32_t>(row, i)) + " is outside [0, " +
           (vocab_size > 0 ? std::to_string(vocab_size) : "vocabulary") + ")";
  }
  if (spec.column->content == Content::mask) {
    if (level == CheckLevel::bounds) return {};
    const std::int64_t i = first_bad<std::uint8_t>(row, n, bad_mask);
    if (i < 0) return {};
    return place(spec, i) + ": mask value " + std::to_string(load<std::uint8_t>(row, i)) +
           " is neither 0 nor 1";
  }
  const std::int64_t bad = spec.dtype() == DType::f16 ? first_bad<std::uint16_t>(row, n, bad_half)
                                                      : first_bad<std::uint32_t>(row, n, bad_float);
  if (bad >= 0) return place(spec, bad) + ": the value is not finite";
  if (spec.column->content != Content::descending_logits || level == CheckLevel::bounds) return {};
  const std::int64_t rise = first_rise(row, n, spec.row_shape[1]);
  return rise < 0 ? "" : place(spec, rise) + ": the logits are not in descending order";
}

}  // namespace

std::optional<RowFault> find_fault(const DatasetSpec& spec, std::int64_t vocab_size,
                                   std::span<const std::byte> rows, CheckLevel level) {
  const std::size_t row_bytes = spec.row_bytes();
  for (std::size_t at = 0; at + row_bytes <= rows.size(); at += row_bytes) {
    std::string text = row_fault(spec, vocab_size, rows.data() + at, level);
    if (!text.empty()) return RowFault{static_cast<std::int64_t>(at / row_bytes), std::move(text)};
  }
  return std::nullopt;
}

bool all_set(std::span<const std::byte> mask) {
  bool all = true;
  for (const std::byte value : mask) all &= value != std::byte{0};
  return all;
}

bool has_supervision(std::span<const std::uint8_t> mask, std::int64_t positions) {
  const auto end = std::min(mask.size(), static_cast<std::size_t>(positions) + 1);
  bool any = false;
  for (std::size_t i = 1; i < end; ++i) any |= mask[i] != 0;
  return any;
}

}  // namespace anemll
