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

/// What a version of the interface calls its files and the entries of memory.stat.
struct MemoryNames {
  const char* limit;
  const char* usage;
  const char* file_pages[2];  ///< the kernel drops them when memory is wanted
};
constexpr MemoryNames kVersion2{"memory.max", "memory.current", {"inactive_file", "active_file"}};
constexpr MemoryNames kVersion1{
    "memory.limit_in_bytes", "memory.usage_in_bytes", {"total_inactive_file", "total_active_file"}};

/// Of a file of lines "key value"; 0 for a key that is not there.
double entry_of(const fs::path& file, const std::string& key) {
  std::ifstream in(file);
  double value = 0;
  for (std::string name; in >> name >> value;) {
    if (name == key) return value;
  }
  return 0;
}

void add_memory(CgroupLimits& limits, const fs::path& folder, const MemoryNames& names) {
  const std::optional<double> bytes = number(first_line(folder / names.limit));  // "max" is no number
  if (!bytes || *bytes <= 0 || *bytes >= static_cast<double>(kNoMemoryLimit)) return;
  lower(limits.memory_bytes, static_cast<std::uint64_t>(*bytes));
  double used = number(first_line(folder / names.usage)).value_or(0);
  for (const char* pages : names.file_pages) used -= entry_of(folder / "memory.stat", pages);
  lower(limits.memory_available,
        static_cast<std::uint64_t>(std::clamp(*bytes - std::max(used, 0.0), 0.0, *bytes)));
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
  add_memory(limits, folder, kVersion2);
}

void read_version_1(CgroupLimits& limits, const fs::path& folder) {
  add_quota(limits, number(first_line(folder / "cpu.cfs_quota_us")),
            number(first_line(folder / "cpu.cfs_period_us")));
  add_memory(limits, folder, kVersion1);
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
