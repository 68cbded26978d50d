// Parquet files through Arrow: only the wanted columns, a batch of rows at a time. What Arrow throws or
// returns becomes a data error here, and its values are checked like any other input.
#include "anemll/core/error.hpp"
#include "src/datasets/record.hpp"
#include "src/formats/utf8.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <arrow/array/array_binary.h>
#include <arrow/array/array_dict.h>
#include <arrow/array/array_nested.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

namespace anemll::datasets {
namespace {

namespace fs = std::filesystem;
using arrow::Array;

constexpr std::int64_t kBatchRows = 1024;

/// What a nested type adds to the depth of a record is a turn's; the reader's own recursion must not follow a
/// hostile schema further.
constexpr std::int16_t kMaxLevels = 32;

template <typename List>
std::pair<std::int64_t, std::int64_t> list_range(const Array& array, std::int64_t row) {
  const auto& list = static_cast<const List&>(array);
  return {list.value_offset(row), list.value_length(row)};
}

class ParquetRecords final : public RecordSource {
 public:
  ParquetRecords(fs::path path, FieldList wanted) : path_(std::move(path)), wanted_(std::move(wanted)) {
    guarded([&] { open(); });
  }

  bool next(Record& record) override {
    if (position_ == rows_) return false;
    ++position_;
    record.fields.assign(wanted_.size(), Field{});
    record.names = names_;
    guarded([&] { fill(record); });
    return true;
  }
  std::int64_t position() const override { return position_; }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw_data(what, position_ == 0 ? path_.string() : record_where(path_, FileKind::parquet, position_),
               "the file is damaged or was not copied whole: fetch it again; python's pyarrow can tell more");
  }
  void check(const arrow::Status& status) const {
    if (!status.ok()) fail("not a good Parquet file: " + first_line(status.message()));
  }
  static std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

  /// Arrow's Parquet layer throws in some places and returns a status in others.
  template <typename Act>
  void guarded(Act&& act) const {
    try {
      act();
    } catch (const Error&) {
      throw;
    } catch (const std::bad_alloc&) {
      fail("the Parquet file asks for more memory than there is");
    } catch (const std::exception& error) {
      fail("not a good Parquet file: " + first_line(error.what()));
    }
  }

  void open() {
    if (!fs::is_regular_file(path_)) fail("is no file");
    parquet::ReaderProperties io(arrow::system_memory_pool());
    io.enable_buffered_stream();  // else a column of a row group is read as a whole
    parquet::ArrowReaderProperties how(/*use_threads=*/false);
    how.set_batch_size(kBatchRows);
    how.set_pre_buffer(false);
    parquet::arrow::FileReaderBuilder builder;
    check(builder.OpenFile(path_.string(), /*memory_map=*/false, io));
    const auto metadata = builder.raw_reader()->metadata();
    rows_ = metadata->num_rows();
    if (rows_ < 0) fail("not a good Parquet file: a negative number of rows");
    const std::vector<int> leaves = choose(*metadata->schema());
    builder.memory_pool(arrow::system_memory_pool());
    builder.properties(how);
    auto reader = builder.Build();
    check(reader.status());
    file_ = std::move(reader).ValueOrDie();
    if (leaves.empty()) return;  // records without a wanted field; the names tell what is there
    std::vector<int> groups(static_cast<std::size_t>(file_->num_row_groups()));
    for (std::size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<int>(i);
    auto batches = file_->GetRecordBatchReader(groups, leaves);
    check(batches.status());
    batches_ = std::move(batches).ValueOrDie();
  }

  /// The leaf columns under the wanted names.
  std::vector<int> choose(const parquet::SchemaDescriptor& schema) {
    const auto& root = *schema.group_node();
    for (int i = 0; i < root.field_count(); ++i) {
      const std::string& name = root.field(i)->name();
      if (!formats::is_utf8(name)) fail("not a good Parquet file: a column's name is not UTF-8");
      if (std::find(names_.begin(), names_.end(), name) != names_.end() &&
          std::find(wanted_.begin(), wanted_.end(), name) != wanted_.end()) {
        throw_data("there are two columns '" + name + "'", path_.string(),
                   "rename one of them: which holds the text cannot be told");
      }
      names_.push_back(name);
    }
    std::vector<int> leaves;
    for (int i = 0; i < schema.num_columns(); ++i) {
      const std::string& top = schema.GetColumnRoot(i)->name();
      if (std::find(wanted_.begin(), wanted_.end(), top) == wanted_.end()) continue;
      if (schema.Column(i)->max_definition_level() > kMaxLevels)
        fail("the column '" + top + "' is nested too deeply for a dataset");
      leaves.push_back(i);
    }
    return leaves;
  }

  void fill(Record& record) {
    if (!batches_) return;
    while (!batch_ || row_ == batch_->num_rows()) {
      check(batches_->ReadNext(&batch_));
      if (!batch_) fail("not a good Parquet file: it has fewer rows than its footer says");
      check(batch_->Validate());
      row_ = 0;
    }
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      const std::shared_ptr<Array> column = batch_->GetColumnByName(wanted_[i]);
      if (column) record.fields[i] = value(*column, wanted_[i]);
    }
    ++row_;
  }

  Field value(const Array& column, const std::string& name) const {
    Field out;
    out.kind = Field::Kind::null;
    if (column.type_id() == arrow::Type::NA || column.IsNull(row_)) return out;
    switch (column.type_id()) {
      case arrow::Type::LIST:
        turns(column, list_range<arrow::ListArray>(column, row_), name, out);
        break;
      case arrow::Type::LARGE_LIST:
        turns(column, list_range<arrow::LargeListArray>(column, row_), name, out);
        break;
      case arrow::Type::FIXED_SIZE_LIST:
        turns(column, list_range<arrow::FixedSizeListArray>(column, row_), name, out);
        break;
      default:
        if (std::optional<std::string_view> view = text(column, row_)) {
          out.kind = Field::Kind::text;
          out.text = checked(*view, name, *column.type());
        } else if (is_text(*column.type())) {
          return out;  // a dictionary may hold a null
        } else {
          out.kind = Field::Kind::other;
          out.type = "of the type " + column.type()->ToString();
        }
    }
    return out;
  }

  static bool is_text(const arrow::DataType& type) {
    switch (type.id()) {
      case arrow::Type::STRING:
      case arrow::Type::LARGE_STRING:
      case arrow::Type::STRING_VIEW:
      case arrow::Type::BINARY:  // older writers leave the annotation of a string out
      case arrow::Type::LARGE_BINARY:
        return true;
      case arrow::Type::DICTIONARY:
        return is_text(*static_cast<const arrow::DictionaryType&>(type).value_type());
      default:
        return false;
    }
  }

  /// Nothing when the value is null or no text.
  std::optional<std::string_view> text(const Array& array, std::int64_t row) const {
    if (array.IsNull(row)) return std::nullopt;
    switch (array.type_id()) {
      case arrow::Type::STRING:
      case arrow::Type::BINARY:
        return static_cast<const arrow::BinaryArray&>(array).GetView(row);
      case arrow::Type::LARGE_STRING:
      case arrow::Type::LARGE_BINARY:
        return static_cast<const arrow::LargeBinaryArray&>(array).GetView(row);
      case arrow::Type::STRING_VIEW:
        return static_cast<const arrow::StringViewArray&>(array).GetView(row);
      case arrow::Type::DICTIONARY: {
        const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
        const std::int64_t index = dictionary.GetValueIndex(row);
        if (index < 0 || index >= dictionary.dictionary()->length())
          fail("not a good Parquet file: an index beyond its dictionary");
        return text(*dictionary.dictionary(), index);
      }
      default:
        return std::nullopt;
    }
  }

  std::string checked(std::string_view view, const std::string& name, const arrow::DataType& type) const {
    if (!formats::is_utf8(view))
      fail("the text of '" + name + "', of the type " + type.ToString() + ", is not UTF-8");
    return std::string(view);
  }

  void turns(const Array& column, std::pair<std::int64_t, std::int64_t> range, const std::string& name,
             Field& out) const {
    const std::shared_ptr<Array> items = items_of(column);
    const auto [first, count] = range;
    if (items->type_id() != arrow::Type::STRUCT) {
      out.kind = Field::Kind::other;
      out.type = "of the type " + column.type()->ToString();
      return;
    }
    if (first < 0 || count < 0 || first > items->length() - count)
      fail("not a good Parquet file: a list beyond its items");
    const auto& structs = static_cast<const arrow::StructArray&>(*items);
    out.kind = Field::Kind::turns;
    out.turns.resize(static_cast<std::size_t>(count));
    const std::pair<const char*, std::string Turn::*> kMembers[] = {
        {"from", &Turn::from}, {"role", &Turn::role}, {"value", &Turn::value}, {"content", &Turn::content}};
    for (const auto& [member, to] : kMembers) {
      const std::shared_ptr<Array> values = structs.GetFieldByName(member);
      if (!values) continue;
      if (values->type_id() != arrow::Type::NA && !is_text(*values->type())) {
        throw_data(std::string("'") + member + "' of '" + name + "' is of the type " +
                       values->type()->ToString() + ", not a string",
                   record_where(path_, FileKind::parquet, position_),
                   "convert the column, or choose the --dataset_format that the file has");
      }
      for (std::int64_t i = 0; i < count; ++i) {
        if (structs.IsNull(first + i)) continue;
        if (const auto view = text(*values, first + i))
          out.turns[static_cast<std::size_t>(i)].*to = checked(*view, name, *values->type());
      }
    }
  }

  static std::shared_ptr<Array> items_of(const Array& column) {
    switch (column.type_id()) {
      case arrow::Type::LIST:
        return static_cast<const arrow::ListArray&>(column).values();
      case arrow::Type::LARGE_LIST:
        return static_cast<const arrow::LargeListArray&>(column).values();
      default:
        return static_cast<const arrow::FixedSizeListArray&>(column).values();
    }
  }

  fs::path path_;
  FieldList wanted_;
  std::vector<std::string> names_;
  std::int64_t rows_ = 0;
  std::int64_t position_ = 0;
  std::int64_t row_ = 0;                              ///< in batch_
  std::unique_ptr<parquet::arrow::FileReader> file_;  ///< outlives the batches
  std::shared_ptr<arrow::RecordBatchReader> batches_;
  std::shared_ptr<arrow::RecordBatch> batch_;
};

}  // namespace

std::unique_ptr<RecordSource> open_parquet(const fs::path& path, const FieldList& wanted) {
  return std::make_unique<ParquetRecords>(path, wanted);
}

}  // namespace anemll::datasets
