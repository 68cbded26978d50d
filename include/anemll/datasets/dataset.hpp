// Text datasets of the usual file types as a stream of documents: conversations or plain texts. Formats and
// skip rules are those of the reference's cache script. One thread.
#pragma once

#include "anemll/core/choices.hpp"
#include "anemll/core/inventory.hpp"
#include "anemll/text/chat_template.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anemll {

/// One source document. `messages` for chat formats; `text` for plain ones.
struct Document {
  std::vector<ChatMessage> messages;
  std::vector<std::string> tools = {};  ///< descriptions of tools, each as JSON
  std::string text;
  std::size_t source = 0;  ///< its file, an index into Dataset::files
  /// "file:line" or "file, row n", for messages.
  std::string where;
};

/// What records look like.
enum class RecordFormat { plain, alpaca, alpaca_chat, openhermes, sharegpt, dolly };

inline constexpr auto kRecordFormats = std::to_array<Choice<RecordFormat>>({
    {RecordFormat::plain, "plain"},
    {RecordFormat::alpaca, "alpaca"},
    {RecordFormat::alpaca_chat, "alpaca_chat"},
    {RecordFormat::openhermes, "openhermes"},
    {RecordFormat::sharegpt, "sharegpt"},
    {RecordFormat::dolly, "dolly"},
});
constexpr std::span<const Choice<RecordFormat>> choices_of(RecordFormat) {
  return kRecordFormats;
}

/// Which column of the data is a field of the format, where their names differ.
struct FieldColumn {
  std::string field;
  std::string column;
};

/// Out of FIELD=COLUMN texts, as --map has them. A usage error names the text that is none.
std::vector<FieldColumn> field_columns(const std::vector<std::string>& texts);

struct DatasetOptions {
  RecordFormat format = RecordFormat::plain;
  std::string text_field = "text";
  std::vector<FieldColumn> map = {};  ///< a field that is not here is the column of its name
  std::string split = "train";        ///< of a folder's files, by their names: see choose_data_files
  std::optional<std::string> config;  ///< of the card, or a sub-folder: see choose_data_files
  bool shuffle = true;                ///< all records, seeded; with `streaming` a buffer of shuffle_buffer
  std::uint64_t seed = 0;
  bool streaming = false;           ///< records are read as they are needed and not kept
  std::int64_t shuffle_buffer = 0;  ///< with streaming: 0 keeps file order
  /// Roles, keys and columns as the reference's cache script takes them.
  bool reference_rules = false;
  std::int64_t max_bad_records = 0;  ///< so many are passed over; one more ends the reading
};

/// What became of all that was read so far.
struct DatasetReport {
  std::string why;      ///< what chose the files
  Inventory inventory;  ///< files, columns, roles, keys and records
  std::int64_t bad_records = 0;
  std::vector<std::string> bad_examples;  ///< the first of them: "file:line: what"
};

class Dataset {
 public:
  /// `path`: a file, a folder, or a glob. .json (array of objects, or one object a line), .jsonl, .csv, .tsv,
  /// .txt (one document a file), .parquet, .arrow, and .gz, .zst, .bz2 or .xz of the text ones. Data errors:
  /// nothing there, unknown extension, a format whose fields no record has, more bad records than are allowed
  /// (with file and line).
  static std::unique_ptr<Dataset> open(const std::filesystem::path& path, const DatasetOptions& options);
  virtual ~Dataset() = default;

  /// The next document that the format does not skip; nullopt at the end.
  virtual std::optional<Document> next() = 0;
  /// Records read and records skipped so far.
  virtual std::int64_t records() const = 0;
  virtual std::int64_t skipped() const = 0;
  /// The files in the order of reading.
  virtual const std::vector<std::filesystem::path>& files() const = 0;
  virtual const DatasetReport& report() const = 0;
};

}  // namespace anemll
