// The part of HDF5 that our files need: files, fixed-size datasets read and written by rows, string and
// integer attributes. Owns every HDF5 handle and turns HDF5's error stack into one data error.
// Knows nothing of caches and moments. No HDF5 type leaves h5*.cpp. One thread at a time per file; several
// files in several threads need a thread-safe HDF5 library (Debian's is).
#pragma once

#include "anemll/core/tensor.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace anemll::h5 {

/// An open HDF5 object; closes it.
class Handle {
 public:
  using Id = std::int64_t;
  using Close = int (*)(Id);
  Handle() = default;
  Handle(Id id, Close close) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Id get() const { return id_; }
  Id release() { return std::exchange(id_, -1); }

 private:
  Id id_ = -1;
  Close close_ = nullptr;
};

class Dataset {
 public:
  const std::string& name() const { return name_; }
  /// int32, uint8, float16, float32 or float64; nothing for types that none of our files has.
  std::optional<DType> type() const { return type_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::int64_t rows() const { return shape_.empty() ? 0 : shape_.front(); }
  std::size_t row_bytes() const { return row_bytes_; }
  /// "int32[64, 31, 16]" for messages.
  std::string describe() const;
  /// Rows of one chunk, 0 when the layout is not chunked.
  std::int64_t chunk_rows() const { return chunk_rows_; }

  /// `out` and `in` hold count * row_bytes() bytes in native byte order.
  void read_rows(std::int64_t first, std::int64_t count, std::byte* out) const;
  void write_rows(std::int64_t first, std::int64_t count, const std::byte* in);
  void set_text(const std::string& attribute, std::string_view text);
  /// Empty when the attribute is absent.
  std::string text(const std::string& attribute) const;

 private:
  friend class File;
  Handle handle_;
  std::string name_;
  std::string where_;  // "file, dataset"
  std::optional<DType> type_;
  std::vector<std::int64_t> shape_;
  std::size_t row_bytes_ = 0;
  std::int64_t chunk_rows_ = 0;
};

class File {
 public:
  /// Read-only and without file locks, which network file systems often refuse.
  static File open(const std::filesystem::path& path);
  /// A new file in the format of HDF5 1.8, whose bytes depend on its content only.
  static File create(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  bool contains(const std::string& dataset) const;
  Dataset dataset(const std::string& name) const;
  /// `compress` 0: contiguous. 1 to 9: chunks of one row, byte shuffle, then deflate at that level.
  Dataset create_dataset(const std::string& name, DType type, const std::vector<std::int64_t>& shape,
                         int compress);

  bool has_attribute(const std::string& name) const;
  std::string text(const std::string& name) const;
  std::int64_t integer(const std::string& name) const;
  void set_text(const std::string& name, std::string_view text);
  void set_integer(const std::string& name, std::int64_t value);
  /// Writes everything out; errors that a destructor would have to swallow appear here.
  void close();

 private:
  std::filesystem::path path_;
  Handle handle_;
};

}  // namespace anemll::h5
