// See memory.hpp. Files of /proc are lines "Name:   value unit", sizes in kB.
#include "src/core/memory.hpp"

#include "src/core/internal/cgroup.hpp"
#include "src/core/platform.hpp"
#include "src/core/printable.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kKilobyte = 1024;

/// The text behind "key:", without blanks in front.
std::optional<std::string> text_of(const fs::path& file, std::string_view key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ':') continue;
    const std::size_t begin = line.find_first_not_of(" \t", key.size() + 1);
    return begin == std::string::npos ? std::string() : line.substr(begin);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> bytes_of(const fs::path& file, std::string_view key) {
  std::istringstream words(text_of(file, key).value_or(""));
  std::uint64_t kilobytes = 0;
  if (!(words >> kilobytes)) return std::nullopt;
  return kilobytes * kKilobyte;
}

/// What only this process holds; all that is resident where the kernel does not tell them apart.
std::uint64_t held_by(const fs::path& status) {
  if (const auto own = bytes_of(status, "RssAnon"))
    return *own + bytes_of(status, "RssShmem").value_or(std::uint64_t{0});
  return bytes_of(status, "VmRSS").value_or(std::uint64_t{0});
}

std::optional<std::int64_t> number_of(const std::string& name) {
  constexpr std::size_t kMostDigits = 18;
  const bool digits = std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c); });
  if (!digits || name.empty() || name.size() > kMostDigits) return std::nullopt;
  return std::stoll(name);
}

}  // namespace

HostMemory host_memory(const fs::path& root) {
  const fs::path info = root / "proc/meminfo";
  HostMemory memory;
  memory.limit = bytes_of(info, "MemTotal").value_or(physical_memory_bytes());
  memory.available = bytes_of(info, "MemAvailable").value_or(memory.limit);
  const CgroupLimits group = read_cgroup_limits(root);
  const auto lower = [](std::uint64_t& value, const std::optional<std::uint64_t>& limit) {
    if (limit) value = value == 0 ? *limit : std::min(value, *limit);
  };
  lower(memory.limit, group.memory_bytes);
  lower(memory.available, group.memory_available);
  return memory;
}

std::uint64_t held_memory_bytes(const fs::path& root) {
  return held_by(root / "proc/self/status");
}

std::vector<MemoryHolder> memory_holders(std::span<const std::int64_t> except, std::uint64_t at_least,
                                         const fs::path& root) {
  std::vector<MemoryHolder> holders;
  std::error_code error;
  for (fs::directory_iterator entry(root / "proc", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::optional<std::int64_t> process = number_of(entry->path().filename().string());
    if (!process || std::find(except.begin(), except.end(), *process) != except.end()) continue;
    const fs::path status = entry->path() / "status";  // of a process that may be gone by now
    const std::uint64_t bytes = held_by(status);
    if (bytes == 0 || bytes < at_least) continue;
    holders.push_back({*process, printable(text_of(status, "Name").value_or("?")), bytes});
  }
  std::sort(holders.begin(), holders.end(), [](const MemoryHolder& a, const MemoryHolder& b) {
    return std::pair(b.bytes, a.process) < std::pair(a.bytes, b.process);
  });
  return holders;
}

}  // namespace anemll
