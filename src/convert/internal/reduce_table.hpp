// Fewer table values for the same weights. All on the CPU, exact and deterministic: the tables are so small
// that the best clusters are found, not searched for.
#pragma once

#include "src/convert/q4_to_q2.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace anemll {

struct ReducedTable {
  std::vector<float> values;  ///< ascending
  std::vector<std::uint8_t>
      entry_of;  ///< for each old entry the nearest new one; of two equally near the lower
};

/// `entries` of the values in `table` (strictly ascending, at least as many). `importance`: for each old
/// entry how much its distance counts; not negative, not all zero (else every entry counts alike). What is
/// not the reference's own is rounded to half where that keeps the values apart. Usage error, which names
/// `linear`: there is no symmetric table of that size.
ReducedTable reduce_table(std::span<const float> table, std::span<const double> importance,
                          std::int64_t entries, LutReduce how, const std::string& linear);

}  // namespace anemll
