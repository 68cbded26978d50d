// A file that is being downloaded: <blob>.<8 hex>.incomplete. Its name is unique to the process, because
// locks are not to be trusted on every file system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>

namespace anemll {

/// What an earlier attempt at this blob left, of at most `size` bytes.
std::uint64_t leftover_bytes(const std::filesystem::path& blob, std::optional<std::uint64_t> size);

class PartialFile {
 public:
  /// Beside `blob`. With `adopt`, goes on with the longest one that somebody left, of at most `size` bytes.
  PartialFile(const std::filesystem::path& blob, bool adopt, std::optional<std::uint64_t> size);
  /// Stays when it holds something and `keep` was called, so that the next process goes on with it.
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  void append(std::span<const std::byte> bytes);
  void restart();
  void keep() { keep_ = true; }
  /// Makes the content durable and gives it the blob's name in one step.
  void commit();

 private:
  std::filesystem::path blob_;
  std::filesystem::path path_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
  bool keep_ = false;
};

}  // namespace anemll
