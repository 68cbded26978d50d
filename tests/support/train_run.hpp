// Short runs of anemll_train on the nano model, and looks at the folders that they leave.
#pragma once

#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>

namespace anemll::test {

/// A run into `out` from the checkpoint `source`; evaluations every 10 steps, states every 3.
inline std::string train_command(const std::filesystem::path& out, const std::string& flags,
                                 const std::filesystem::path& source = golden("nano/v2_q2a4_init.pt")) {
  return bin("anemll_train") + " --v2-checkpoint " + source.string() + " --model-id " +
         golden("nano").string() + " --cache-dir " + golden("nano/cache").string() + " --output-dir " +
         out.string() +
         " --batch-size 4 --lr 5e-4 --warmup-steps 5 --logging-steps 5 --eval-steps 10 --eval-samples 8 "
         "--save-steps 3"
         " --precision fp32 --threads 1 --seed 7 " +
         flags;
}

/// Relative path and content of every file below, but the lock.
inline std::map<std::string, std::string> content_of(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.path().filename() != ".lock")
      files[std::filesystem::relative(entry.path(), folder).string()] = read_all(entry.path());
  }
  return files;
}

}  // namespace anemll::test
