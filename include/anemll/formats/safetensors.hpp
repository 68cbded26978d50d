// Safetensors files: read as views of a memory map, write atomically.
#pragma once

#include "anemll/core/file.hpp"
#include "anemll/core/tensor.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>

namespace anemll {

struct SafetensorsFile {
  TensorMap tensors;  ///< in data order; views of the map unless the file leaves them unaligned
  std::map<std::string, std::string> metadata;
  std::shared_ptr<const MappedFile> map;  ///< behind the tensors; release_pages() drops what is resident
};

/// Reads one file. Strict: holes, overlaps, tails, duplicate keys, unknown dtypes, sizes that do not match
/// and headers past the end are data errors that name file and tensor. Every element is aligned to its size.
SafetensorsFile read_safetensors(const std::filesystem::path& path);

/// Writes tensors in the usual order (wider dtypes first, then by name) with an 8-byte aligned header.
/// Aliases are written once per name (the format has no sharing); one without a `make` of its own calls that
/// of the tensor it names once more. `__metadata__` always has "format": "pt". Atomic: temp, fsync, rename.
/// Data errors: repeated, empty or invalid names, content that is not as announced, too little disk space.
void write_safetensors(const std::filesystem::path& path, std::span<const LazyTensor> tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace anemll
