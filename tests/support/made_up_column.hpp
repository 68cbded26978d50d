// A table of columns with one that no line of src knows.
#pragma once

#include "anemll/data/kd_columns.hpp"

#include <cstdint>
#include <vector>

namespace anemll::test {

/// How far the best candidate is before the second.
inline constexpr ColumnKey<float> kMargin{"margin"};
inline constexpr std::uint8_t kMarginFill = 0x3F;

inline ColumnTable with_margin() {
  static const std::vector<KdColumn> columns = [] {
    std::vector<KdColumn> all(kd_columns().begin(), kd_columns().end());
    all.push_back({.name = kMargin,
                   .torch_name = "topk_margin",
                   .dtype = kMargin.dtype,
                   .sizes = {&CacheShape::positions, &CacheShape::topk},
                   .payload = Payload::lse,
                   .fill = kMarginFill});
    return all;
  }();
  return {columns.data(), columns.data() + columns.size()};
}

}  // namespace anemll::test
