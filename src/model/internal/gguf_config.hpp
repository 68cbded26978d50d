// The metadata of a GGUF file as the config.json that its model would have as a folder.
#pragma once

#include "anemll/core/inventory.hpp"
#include "anemll/formats/gguf.hpp"
#include "anemll/model/family.hpp"
#include "src/model/internal/features.hpp"

#include <span>
#include <string>

namespace anemll {

/// JSON text with the keys that open_model knows. What would change the computation and has no key is
/// refused; data errors name the file, the GGUF key or tensor, and a remedy. The family is a row of
/// `families`.
std::string gguf_config_json(const GgufFile& file, std::span<const Family> families);

/// The fate of every metadata key but the tokenizer's. A feature that is on and that the decoder lacks is a
/// data error.
void check_gguf_keys(const GgufFile& file, ModelSizes sizes, const Family& family,
                     std::span<const Family> families, Inventory& inventory);

}  // namespace anemll
