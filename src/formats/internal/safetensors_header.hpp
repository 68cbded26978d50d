// The JSON header of a safetensors file as it stands there, before offsets are checked against the data.
#pragma once

#include "src/formats/internal/byte_reader.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace anemll::formats {

struct SafetensorsEntry {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0;  ///< relative to the end of the header
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  ///< in header order
  std::map<std::string, std::string> metadata;
};

/// Grammar only: an object of {dtype, shape, data_offsets} objects and at most one "__metadata__" of
/// strings. Duplicate keys at any of these levels, negative or fractional numbers, missing fields and
/// padding other than white space are data errors. Unknown fields are skipped.
SafetensorsHeader parse_safetensors_header(std::string_view json, const Complaint& complain);

}  // namespace anemll::formats
