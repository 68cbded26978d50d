// What memory the processes of this host may use together, what of it is free, and who holds the rest.
// Plain files of the system; where they are missing nothing is known of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace anemll {

struct HostMemory {
  std::uint64_t limit = 0;      ///< bytes: the machine's, or less by control group; 0: unknown
  std::uint64_t available = 0;  ///< of it now, what only holds copies of files counted as free; 0: unknown
};
/// `root` stands for / (tests).
HostMemory host_memory(const std::filesystem::path& root = "/");

/// What this process holds now and gives back at its end, without the pages of files, in bytes; 0: unknown.
std::uint64_t held_memory_bytes(const std::filesystem::path& root = "/");

struct MemoryHolder {
  std::int64_t process = 0;  ///< its number
  std::string name;          ///< as it is listed, fit for a terminal
  std::uint64_t bytes = 0;
};
/// Processes that hold `at_least` bytes or more, the largest first, without those of `except`. Those that the
/// system hides are not among them.
std::vector<MemoryHolder> memory_holders(std::span<const std::int64_t> except, std::uint64_t at_least,
                                         const std::filesystem::path& root = "/");

}  // namespace anemll
