// See cgroup.hpp. A file that is missing or odd limits nothing.
#include "src/core/internal/cgroup.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace anemll {
namespace fs = std::filesystem;
namespace {

// Version 1 says "no limit" with the largest multiple of a page.
constexpr std::uint64_t kNoMemoryLimit = std::uint64_t{1} << 60;

std::string first_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

template <class T>
void lower(std::optional<T>& limit, T value) {
  limit = limit ? std::min(*limit, value) : value;
}

std::optional<double> number(const std::string& text) {
  std::istringstream in(text);
  double value = 0;
  if (!(in >> value)) return std::nullopt;
  return value;
}

void add_quota(CgroupLimits& limits, std::optional<double> quota, std::optional<double> period) {
  if (quota && period && *quota > 0 && *period > 0) lower(limits.processors, *quota / *period);
}

void add_memory(CgroupLimits& limits, const std::string& text) {
  const std::optional<double> bytes = number(text);  // "max" is no number
  if (bytes && *bytes > 0 && *bytes < static_cast<double>(kNoMemoryLimit))
    lower(limits.memory_bytes, static_cast<std::uint64_t>(*bytes));
}

/// The group's folder and those around it, up to the mount point.
std::vector<fs::path> levels(const fs::path& mount, const std::string& group) {
  std::vector<fs::path> out;
  fs::path relative = fs::path(group).relative_path().lexically_normal();
  while (!relative.empty() && relative != ".") {
    // A container may not see the group under its outside name; its own is then the mount point.
    if (relative.begin()->string() != "..") out.push_back(mount / relative);
    relative = relative.parent_path();
  }
  out.push_back(mount);
  return out;
}

void read_version_2(CgroupLimits& limits, const fs::path& folder) {
  std::istringstream cpu(first_line(folder / "cpu.max"));
  std::string quota, period;
  cpu >> quota >> period;
  add_quota(limits, number(quota), number(period));
  add_memory(limits, first_line(folder / "memory.max"));
}

void read_version_1(CgroupLimits& limits, const fs::path& folder) {
  add_quota(limits, number(first_line(folder / "cpu.cfs_quota_us")),
            number(first_line(folder / "cpu.cfs_period_us")));
  add_memory(limits, first_line(folder / "memory.limit_in_bytes"));
}

}  // namespace

CgroupLimits read_cgroup_limits(const fs::path& root) {
  CgroupLimits limits;
  const fs::path mounts = root / "sys/fs/cgroup";
  std::ifstream groups(root / "proc/self/cgroup");
  // Lines "ID:CONTROLLERS:PATH"; version 2 has no controllers there.
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      for (const fs::path& mount : {mounts, mounts / "unified"}) {
        for (const fs::path& folder : levels(mount, group)) read_version_2(limits, folder);
      }
      continue;
    }
    std::vector<std::string> names = {controllers};
    std::istringstream list(controllers);
    for (std::string name; std::getline(list, name, ',');) names.push_back(name);
    for (const std::string& name : names) {
      for (const fs::path& folder : levels(mounts / name, group)) read_version_1(limits, folder);
    }
  }
  return limits;
}

}  // namespace anemll
