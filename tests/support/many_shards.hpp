// The nano model's KD cache many times over, as hard work for whoever reads it and little for the disk: its
// shards under many names.
#pragma once

#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

namespace anemll::test {

/// Makes `folder` a cache of 32 * `shards` sequences.
inline std::filesystem::path many_shards(const std::filesystem::path& folder, int shards) {
  const std::filesystem::path nano = golden("nano/cache");
  std::filesystem::create_directories(folder);
  auto meta = nlohmann::ordered_json::parse(read_all(nano / "meta.json"));
  meta["num_sequences"] = meta["total_sequences"] = 32 * shards;
  std::ofstream(folder / "meta.json") << meta.dump(2);
  for (int i = 0; i < shards; ++i) {
    std::string number = std::to_string(i);
    number.insert(0, 5 - number.size(), '0');
    std::filesystem::create_symlink(
        std::filesystem::absolute(nano / (i % 2 == 0 ? "shard_00000.pt" : "shard_00001.pt")),
        folder / ("shard_" + number + ".pt"));
  }
  return folder;
}

}  // namespace anemll::test
