// The nano model's golden KD cache with some of its values changed, as a folder of .pt shards of its own.
#pragma once

#include "anemll/formats/torch_file.hpp"
#include "tests/support/temp_dir.hpp"

#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace anemll::test {

/// `change` gets every tensor of every shard before it is written: shard number, name, a writable copy.
inline void write_changed_nano_cache(
    const std::filesystem::path& folder,
    const std::function<void(int shard, const std::string& name, HostTensor& tensor)>& change) {
  namespace fs = std::filesystem;
  fs::create_directories(folder);
  for (const char* name : {"meta.json", "progress.json"})
    fs::copy_file(golden(std::string("nano/cache/") + name), folder / name);
  for (int shard = 0; shard < 2; ++shard) {
    const std::string file = "shard_0000" + std::to_string(shard) + ".pt";
    std::vector<LazyTensor> tensors;
    for (const auto& [name, tensor] : read_state_dict(golden("nano/cache/" + file))) {
      HostTensor copy = HostTensor::zeros(tensor.dtype, tensor.shape);
      std::memcpy(copy.mutable_bytes(), tensor.packed().data, tensor.bytes());
      change(shard, name, copy);
      tensors.push_back(lazy(name, copy));
    }
    write_torch_file(folder / file, tensors);
  }
}

}  // namespace anemll::test
