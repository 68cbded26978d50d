// Facts of this machine for reports of mistakes: processors, memory, disks, GPUs, libraries, MPI, limits and
// variables. Plain files of the system, and a few programs that are asked. What is not known is left out.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace anemll {

struct FactGroup {
  std::string title;
  std::vector<std::pair<std::string, std::string>> facts;  ///< name, value
};

/// All groups. `program`: one of ours, whose libraries are told, as the system's loader finds them.
std::vector<FactGroup> machine_facts(const std::filesystem::path& program);

/// The groups as text: a title, then lines of names and values.
std::string facts_text(const std::vector<FactGroup>& groups);

}  // namespace anemll
