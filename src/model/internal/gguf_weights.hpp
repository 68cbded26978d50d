// The tensors of a GGUF file under the names and in the layout of a Hugging Face model folder.
#pragma once

#include "anemll/core/inventory.hpp"
#include "anemll/formats/gguf.hpp"
#include "anemll/model/architecture.hpp"

namespace anemll {

/// F32, F16 and BF16 tensors are views of the file. Quantised ones are dequantised into memory and rounded to
/// F16, whose step is far below theirs; a tensor with values beyond its range becomes F32. Where the family's
/// files pair the rotating rows of q and k, the rows go back to halves. A matrix's own scale (.scale) is
/// multiplied in. A tied head is left out. Missing,
/// misshapen and unexpected tensors are data errors.
TensorMap gguf_weights(const GgufFile& file, const Architecture& architecture, const Family& family,
                       Inventory& inventory);

}  // namespace anemll
