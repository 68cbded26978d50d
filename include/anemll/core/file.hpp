// Files that are either whole or absent: memory maps for reading, temp + fsync + rename for writing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace anemll {

/// A read-only memory map of a whole file. Empty files map to an empty span.
class MappedFile {
 public:
  /// Throws a data error (missing, unreadable, a directory).
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }
  /// Tells the kernel that the resident pages may be dropped (they are read again on demand).
  void release_pages() const;

 private:
  MappedFile() = default;
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Writes to `<path>.tmp.<pid>`; `commit` makes the data durable and gives it its name in one step.
/// Without `commit` the destructor removes the temporary file, so an error leaves nothing behind.
/// A failed write (disk full, quota) is a data error that names the file; so is a path to no regular file.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  /// Bytes written so far.
  std::uint64_t offset() const { return offset_; }
  void commit();

 private:
  void flush();
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int fd_ = -1;
  std::uint64_t offset_ = 0;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t used_ = 0;
};

/// Whether the name is taken, be it by a link that leads nowhere. A data error where the system does not
/// tell.
bool has_name(const std::filesystem::path& path);

/// Whole-file convenience over AtomicFile.
void write_file(const std::filesystem::path& path, std::string_view text);
std::string read_text(const std::filesystem::path& path);

/// fsync of a directory, so that renames inside it survive a power cut.
void sync_directory(const std::filesystem::path& directory);
/// fsync of a closed file written by a library that does not sync.
void sync_file(const std::filesystem::path& path);

/// Throws a data error with the bytes needed and available when `directory` has less than `bytes` free.
void require_space(const std::filesystem::path& directory, std::uint64_t bytes);

}  // namespace anemll
