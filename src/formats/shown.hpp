// Shapes and metadata as messages show them.
#pragma once

#include "anemll/formats/gguf.hpp"

#include <string>
#include <vector>

namespace anemll {

/// A value of a GGUF file's metadata: as JSON, cut where it is long.
std::string shown(const GgufValue& value);

/// "[3, 4]"
template <typename Integer>
std::string shown_shape(const std::vector<Integer>& shape) {
  std::string text = "[";
  for (const Integer dimension : shape)
    text.append(text.size() > 1 ? ", " : "").append(std::to_string(dimension));
  return text.append("]");
}

}  // namespace anemll
