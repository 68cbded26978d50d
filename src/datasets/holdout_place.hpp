// Which documents are kept out of training: a function of their content, so that equal documents go together
// and every program that reads the same text chooses alike.
#pragma once

#include "anemll/datasets/dataset.hpp"

#include <cstdint>

namespace anemll {

/// In [0, 1), the same for equal documents. A document is held out when this is below the share wanted.
double holdout_place(const Document& document, std::uint64_t seed);

}  // namespace anemll
