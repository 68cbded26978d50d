// Another program, found and run to its end without a shell.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

struct ChildSetup {
  std::vector<std::string> variables;               ///< "NAME=value", beside those of this process
  bool with_errors = true;                          ///< stderr belongs to the output, else nobody reads it
  std::size_t most_output = std::size_t{64} << 10;  ///< bytes kept
  std::optional<double> limit_s;                    ///< after which it is killed
};

struct ChildEnd {
  int code = 0;         ///< 128 + signal where one ended it
  std::string output;   ///< the first bytes of it
  bool killed = false;  ///< for the limit
};

/// `program` with `arguments`, an empty stdin. A data error where it cannot be started.
ChildEnd run_child(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                   const ChildSetup& setup = {});

/// The program of this name in PATH.
std::optional<std::filesystem::path> find_program(const std::string& name);

}  // namespace anemll
