// What file readers and formats agree on: the fields that a format needs, and one record of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace anemll::datasets {

/// Of one turn of a conversation; absent or null is "".
struct Turn {
  std::string from, role, value, content;
};

struct Field {
  enum class Kind { missing, null, text, turns, other };
  Kind kind = Kind::missing;
  std::string text;         ///< text
  std::vector<Turn> turns;  ///< turns
  std::string type;         ///< other: what it is, for messages ("a number")
};

struct Record {
  std::vector<Field> fields;       ///< in the order of FieldList
  std::vector<std::string> names;  ///< all that the record has, wanted or not
};

/// The names of the fields that a format reads.
using FieldList = std::vector<std::string>;

/// The records of one file, in order.
class RecordSource {
 public:
  virtual ~RecordSource() = default;
  /// False at the end.
  virtual bool next(Record& record) = 0;
  /// Of the last record: its first line, or its row counted from 1, or 0 for a file that is one record.
  virtual std::int64_t position() const = 0;
};

enum class FileKind { json, json_lines, text, parquet };

/// "file:line", "file, row n" or "file".
std::string record_where(const std::filesystem::path& path, FileKind kind, std::int64_t position);

std::unique_ptr<RecordSource> open_json(const std::filesystem::path& path, const FieldList& wanted);
std::unique_ptr<RecordSource> open_json_lines(const std::filesystem::path& path, const FieldList& wanted);
/// One record whose only field, the first of `wanted`, is the whole file.
std::unique_ptr<RecordSource> open_text(const std::filesystem::path& path, const FieldList& wanted);
std::unique_ptr<RecordSource> open_parquet(const std::filesystem::path& path, const FieldList& wanted);

}  // namespace anemll::datasets
