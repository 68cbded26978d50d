// A binary file to which whole records are added, and which can be cut behind one of them. One thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace anemll {

class RecordFile {
 public:
  /// A new file; a data error where the name is taken.
  explicit RecordFile(std::filesystem::path path);
  /// Goes on with a file behind its first `bytes`; what follows them is cut off.
  RecordFile(std::filesystem::path path, std::uint64_t bytes);
  ~RecordFile();
  RecordFile(RecordFile&& other) noexcept;
  RecordFile& operator=(RecordFile&&) = delete;

  /// One write. A failed one throws a data error and leaves no part of it.
  void append(std::string_view bytes);
  /// Makes it durable.
  void sync();
  std::uint64_t bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }

  /// Some digits that tell whether a file is still the same up to a place: made of its last bytes before it.
  /// Empty where it is shorter, or not there.
  static std::string mark(const std::filesystem::path& path, std::uint64_t bytes);

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  std::uint64_t bytes_ = 0;
};

}  // namespace anemll
