// What the control groups of this process allow: the quotas of containers and batch systems. Both versions of
// the kernel's interface, read as plain files; where there are none nothing is limited. Private to src/core.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace anemll {

struct CgroupLimits {
  std::optional<double> processors;  ///< CPU time per time
  std::optional<std::uint64_t> memory_bytes;
  /// What is left of the tightest, pages that hold copies of files counted as free.
  std::optional<std::uint64_t> memory_available;
};

/// The smallest limit of the process's group and the groups around it. `root` stands for / (tests).
CgroupLimits read_cgroup_limits(const std::filesystem::path& root = "/");

}  // namespace anemll
