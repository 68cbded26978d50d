// What file readers and formats agree on: the fields that a format needs, and one record of them.
#pragma once

#include "anemll/core/error.hpp"
#include "src/datasets/internal/value.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace anemll::datasets {

using Names = std::vector<std::string>;

/// The names of the fields that a format reads.
struct FieldList {
  Names main;       ///< a record of the format has one of them
  Names more = {};  ///< read where they are there

  Names all() const;
};

struct Record {
  std::vector<Value> fields;  ///< in the order of FieldList::all
  Names names;                ///< all that the record has, wanted or not
  Names unread;               ///< those that are not wanted and hold something

  void clear(std::size_t wanted);
};

/// An error of one record, behind which the source can go on.
class BadRecord final : public Error {
 public:
  using Error::Error;
};
/// Of a text that is not UTF-8.
inline constexpr const char* kEncodingHint =
    "correct the record, or where the whole file is in another encoding convert it: iconv -f WINDOWS-1252 -t "
    "UTF-8 OLD > NEW";
/// "gzip -dc" by the last extension; nothing of a file that is not compressed.
std::string unpack_command(const std::filesystem::path& path);
/// A command that shows the line, or the start of the file for 0, whatever its compression.
std::string show_command(const std::filesystem::path& path, std::int64_t line);
/// The start of a record for a message: ", in {"text": ..."; nothing of nothing.
std::string quoted_start(std::string_view record);

[[noreturn]] void throw_bad_record(const std::string& what, const std::string& where,
                                   const std::string& hint);

/// The records of one file, in order.
class RecordSource {
 public:
  virtual ~RecordSource() = default;
  /// False at the end. After a BadRecord the next call gives the next record.
  virtual bool next(Record& record) = 0;
  /// Of the last record: its first line, or its row counted from 1, or 0 for a file that is one record.
  virtual std::int64_t position() const = 0;
};

enum class FileKind { json, json_lines, csv, text, parquet, arrow };

/// "file:line", "file, row n" or "file".
std::string record_where(const std::filesystem::path& path, FileKind kind, std::int64_t position);

std::unique_ptr<RecordSource> open_json(const std::filesystem::path& path, const FieldList& wanted);
std::unique_ptr<RecordSource> open_json_lines(const std::filesystem::path& path, const FieldList& wanted);
std::unique_ptr<RecordSource> open_csv(const std::filesystem::path& path, const FieldList& wanted);
/// One record whose only field, the first of `wanted`, is the whole file.
std::unique_ptr<RecordSource> open_text(const std::filesystem::path& path, const FieldList& wanted);
std::unique_ptr<RecordSource> open_parquet(const std::filesystem::path& path, const FieldList& wanted);
/// Arrow's streams and files, as the datasets library of Python saves them.
std::unique_ptr<RecordSource> open_arrow(const std::filesystem::path& path, const FieldList& wanted);

}  // namespace anemll::datasets
