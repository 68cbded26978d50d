// Which files of a model folder hold its weights, and the tensors in them under the names that they have
// there.
#pragma once

#include "anemll/core/file.hpp"
#include "anemll/core/inventory.hpp"
#include "anemll/core/tensor.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace anemll {

/// A tensor and the file it came from, for messages.
struct Found {
  HostTensor tensor;
  std::filesystem::path file;
};
using FoundMap = std::map<std::string, Found>;
using Maps = std::vector<std::shared_ptr<const MappedFile>>;

/// Safetensors, or where there are none the files of torch.save (.bin): one file, an index and the shards
/// that it names, or numbered shards without an index. Weights in other files are told.
FoundMap read_folder_tensors(const std::filesystem::path& folder, Maps& maps, Inventory& inventory);

}  // namespace anemll
