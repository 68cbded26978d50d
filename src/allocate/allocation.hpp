// From sensitivities and a size to the width of every linear.
#pragma once

#include "anemll/model/architecture.hpp"
#include "anemll/quant/quant_spec.hpp"
#include "src/allocate/groups.hpp"
#include "src/allocate/sensitivity.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace anemll {

struct AllocationRequest {
  std::span<const LinearSpec> linears;
  const SensitivityOptions& measured;
  std::int64_t scale_bits = 8;
  std::int64_t budget = 0;  ///< bits of all linears
};

struct Allocation {
  std::vector<LinearWidth> widths;  ///< by linear
  std::int64_t bits = 0;            ///< of all linears, packed
  double predicted = 0;             ///< sum of what the groups lose, nats a token
};

/// The least sum of losses within the budget: a linear loses its share of what its group lost at the probe's
/// width, times its error over that at the probe's width. Usage error for a budget that nothing fits.
Allocation allocate_widths(const AllocationRequest& request, const Sensitivities& found);
/// What these widths lose by the same reckoning, and take.
Allocation judge_widths(const AllocationRequest& request, const Sensitivities& found,
                        std::vector<LinearWidth> widths);

/// The specification of these widths.
QuantSpec spec_of(std::span<const LinearSpec> linears, std::span<const LinearWidth> widths,
                  std::int64_t group_size);
/// The file that --layer-overrides takes: each linear by name, and what was reckoned with.
std::string allocation_json(const AllocationRequest& request, const Allocation& chosen);

}  // namespace anemll
