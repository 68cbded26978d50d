// The metadata of a GGUF file as the config.json that its model would have as a folder.
#pragma once

#include "anemll/formats/gguf.hpp"

#include <string>

namespace anemll {

/// JSON text with the keys that read_architecture knows. What would change the computation and has no key is
/// refused; data errors name the file, the GGUF key or tensor, and a remedy.
std::string gguf_config_json(const GgufFile& file);

}  // namespace anemll
