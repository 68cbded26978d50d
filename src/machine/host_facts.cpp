// System, processors, memory, disks and limits.
#include "anemll/core/log.hpp"
#include "src/core/memory.hpp"
#include "src/core/platform.hpp"
#include "src/machine/internal/facts.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string_view>
#include <system_error>

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace anemll {
namespace {

namespace fs = std::filesystem;

// Those that kernels of ours or of LibTorch, MKL and oneDNN ask for.
constexpr std::string_view kInstructions[] = {
    "sse4_2",   "avx",         "f16c",        "fma",      "avx2",     "avx_vnni", "avx512f",
    "avx512bw", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_tile", "amx_int8", "asimd",
    "asimddp",  "bf16",        "i8mm",        "sve",      "sve2"};

std::string trimmed(std::string text) {
  const std::size_t first = text.find_first_not_of(" \t\"");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\"\n") - first + 1);
}

/// The value behind "name : value" or NAME=value, of the first line that has it.
std::string value_in(const fs::path& file, const std::string& name, char separator) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const std::size_t at = line.find(separator);
    if (at != std::string::npos && trimmed(line.substr(0, at)) == name) return trimmed(line.substr(at + 1));
  }
  return "";
}

std::string instructions_in(const std::string& flags) {
  std::istringstream words(flags);
  std::vector<std::string> all;
  for (std::string word; words >> word;) all.push_back(word);
  std::string out;
  for (const std::string_view name : kInstructions) {
    if (std::ranges::find(all, name) == all.end()) continue;
    if (!out.empty()) out += ' ';
    out += name;
  }
  return out.empty() ? "none of those that matter" : out;
}

/// The kind of file system that a folder lies in: the mount with the longest name that the folder's begins
/// with.
std::string file_system_of(const fs::path& folder, const fs::path& root) {
  std::error_code none;
  const std::string place = fs::canonical(folder, none).string();
  if (none) return "";
  std::ifstream mounts(root / "proc/self/mounts");  // "device place kind options 0 0"
  std::string best, kind;
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string device, mounted, type;
    words >> device >> mounted >> type;
    const bool holds = mounted == "/" || place == mounted || place.starts_with(mounted + "/");
    if (!holds || mounted.size() < best.size()) continue;
    best = mounted;
    kind = type;
  }
  return kind;
}

std::string limit_text(rlim_t value, bool bytes) {
  if (value == RLIM_INFINITY) return "unlimited";
  return bytes ? format_bytes(value) : std::to_string(value);
}

}  // namespace

FactGroup system_facts(const fs::path& root) {
  FactGroup group{"System", {}};
  const std::string name = value_in(root / "etc/os-release", "PRETTY_NAME", '=');
  if (!name.empty()) group.facts.emplace_back("distribution", name);
  utsname kernel{};
  if (::uname(&kernel) == 0)
    group.facts.emplace_back("kernel",
                             std::string(kernel.sysname) + " " + kernel.release + " " + kernel.machine);
  std::error_code none;
  const bool contained =
      fs::exists(root / ".dockerenv", none) || fs::exists(root / "run/.containerenv", none);
  group.facts.emplace_back("container", contained ? "yes" : "no sign of one");
  return group;
}

FactGroup processor_facts(const fs::path& root) {
  FactGroup group{"Processors", {}};
  const fs::path cpuinfo = root / "proc/cpuinfo";
  std::string model = value_in(cpuinfo, "model name", ':');
  if (model.empty()) model = value_in(cpuinfo, "CPU part", ':');
  if (!model.empty()) group.facts.emplace_back("model", model);
  const ProcessorLimits limits = processor_limits();
  if (const long online = ::sysconf(_SC_NPROCESSORS_ONLN); online > 0)
    group.facts.emplace_back("machine", std::to_string(online));
  group.facts.emplace_back("usable", std::to_string(limits.affinity));
  group.facts.emplace_back("quota", limits.quota ? strf("%.3g processors", *limits.quota) : "none");
  std::string flags = value_in(cpuinfo, "flags", ':');
  if (flags.empty()) flags = value_in(cpuinfo, "Features", ':');
  if (!flags.empty()) group.facts.emplace_back("instructions", instructions_in(flags));
  group.facts.emplace_back("bf16 products", cpu_has_bf16() ? "yes" : "no");
  std::ifstream load(root / "proc/loadavg");
  std::string average;
  if (load >> average) group.facts.emplace_back("load", average);
  return group;
}

FactGroup memory_facts() {
  FactGroup group{"Memory", {}};
  const HostMemory memory = host_memory();
  if (const std::uint64_t whole = physical_memory_bytes(); whole > 0)
    group.facts.emplace_back("machine", format_bytes(whole));
  if (memory.limit > 0) group.facts.emplace_back("usable", format_bytes(memory.limit));
  if (memory.available > 0) group.facts.emplace_back("free", format_bytes(memory.available));
  return group;
}

FactGroup disk_facts(const std::vector<std::pair<std::string, fs::path>>& folders, const fs::path& root) {
  FactGroup group{"Disks", {}};
  for (const auto& [name, folder] : folders) {
    std::error_code none;
    const fs::space_info space = fs::space(folder, none);
    if (none) continue;
    const std::string kind = file_system_of(folder, root);
    group.facts.emplace_back(name, format_bytes(space.available) + " free of " +
                                       format_bytes(space.capacity) + (kind.empty() ? "" : ", " + kind));
  }
  return group;
}

FactGroup limit_facts() {
  struct Row {
    const char* name;
    int resource;
    bool bytes;
  };
  constexpr std::array<Row, 6> kRows = {{{"open files", RLIMIT_NOFILE, false},
                                         {"processes", RLIMIT_NPROC, false},
                                         {"locked memory", RLIMIT_MEMLOCK, true},
                                         {"address space", RLIMIT_AS, true},
                                         {"stack", RLIMIT_STACK, true},
                                         {"core file", RLIMIT_CORE, true}}};
  FactGroup group{"Limits", {}};
  for (const Row& row : kRows) {
    rlimit limit{};
    if (::getrlimit(static_cast<decltype(RLIMIT_NOFILE)>(row.resource), &limit) != 0) continue;
    std::string text = limit_text(limit.rlim_cur, row.bytes);
    if (limit.rlim_max != limit.rlim_cur)
      text += ", may be raised to " + limit_text(limit.rlim_max, row.bytes);
    group.facts.emplace_back(row.name, text);
  }
  return group;
}

}  // namespace anemll
