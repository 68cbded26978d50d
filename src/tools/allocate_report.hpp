// What was measured and chosen, as text for people.
#pragma once

#include "anemll/model/architecture.hpp"
#include "src/allocate/allocation.hpp"

#include <string>

namespace anemll {

/// `other_bits`: what the model takes besides its linears.
std::string allocation_text(const Architecture& architecture, const AllocationRequest& request,
                            const Sensitivities& found, const Allocation& chosen, double other_bits);

}  // namespace anemll
