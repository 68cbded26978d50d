// One GGUF file by itself: it may be a part of a model.
#pragma once

#include "anemll/formats/gguf.hpp"

#include <filesystem>

namespace anemll::formats {

GgufFile read_gguf_part(const std::filesystem::path& path);

}  // namespace anemll::formats
