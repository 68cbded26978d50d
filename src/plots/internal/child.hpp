// Another program, run to its end without a shell.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace anemll {

struct ChildEnd {
  int code = 0;        ///< 128 + signal where one ended it
  std::string output;  ///< stdout and stderr, the first 64 KiB
};

/// `program` with `arguments`, an empty stdin. A data error where it cannot be started.
ChildEnd run_child(const std::filesystem::path& program, const std::vector<std::string>& arguments);

}  // namespace anemll
