// A window that moves forward over the decoded text of one file and counts its lines: what a JSON reader
// looks at before it takes it. One thread.
#pragma once

#include "src/datasets/internal/byte_source.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace anemll::datasets {

class TextWindow {
 public:
  /// No record is this large; what pretends to be is damaged, and must not take all memory.
  static constexpr std::size_t kMaxBytes = std::size_t{1} << 28;
  /// Readable bytes behind `text()`, which the JSON parser reads in blocks.
  static constexpr std::size_t kPadding = 64;

  /// A byte order mark at the start is passed over. A data error for what is no text by the first look.
  explicit TextWindow(const std::filesystem::path& path);

  /// What has been read and not taken. Valid until the next `more` or `take`.
  std::string_view text() const { return {buffer_.data() + begin_, end_ - begin_}; }
  /// The same bytes for changes in place; kPadding bytes behind them are readable.
  char* data() { return buffer_.data() + begin_; }
  /// Makes text() longer; false at the end of the file. A window over kMaxBytes is a data error.
  bool more();
  void take(std::size_t n);
  static constexpr int kEnd = -1;
  /// The next byte after white space, which is taken; kEnd at the end of the file.
  int peek();

  /// Of the first byte of text(), counted from 1.
  std::int64_t line() const { return line_; }
  /// "file:line" of the byte `at` of text().
  std::string where(std::size_t at = 0) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  void look_inside() const;

  std::filesystem::path path_;
  std::unique_ptr<ByteSource> source_;
  std::vector<char> buffer_;
  /// What the next read has room for: little for the look at a file's front, more with every read.
  std::size_t step_ = std::size_t{1} << 14;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::int64_t line_ = 1;
  bool ended_ = false;
};

/// Space, tab, carriage return and line feed: what JSON allows between its parts.
constexpr bool is_json_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

}  // namespace anemll::datasets
