// Linears that are measured together: one kind of linear in some neighbouring layers; and what a linear takes
// at a table and a rank.
#pragma once

#include "anemll/model/architecture.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace anemll {

struct SensitivityGroup {
  std::string name;                  ///< "down 0-4"
  std::vector<std::size_t> members;  ///< places among the model's linears
};
/// `linears`: as body_linears has them. `layers`: how many of each kind are one group.
std::vector<SensitivityGroup> linear_groups(std::span<const LinearSpec> linears, std::int64_t layers);

/// Bits of codes, 1 to 4 each, and rank.
struct LinearWidth {
  std::int64_t bits = 4;
  std::int64_t rank = 4;
  bool operator==(const LinearWidth&) const = default;
};
/// "4/2"
std::string name_of(const LinearWidth& width);
/// What the packed file takes for the linear, in bits; `scale_bits` 8 or 16.
std::int64_t packed_size(const LinearSpec& linear, const LinearWidth& width, std::int64_t scale_bits);

}  // namespace anemll
