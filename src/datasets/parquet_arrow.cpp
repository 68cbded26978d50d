// Parquet files through Arrow: only the wanted columns, a batch of rows at a time.
#include "src/datasets/internal/arrow_rows.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <arrow/memory_pool.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

namespace anemll::datasets {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kBatchRows = 1024;

/// The reader's own recursion must not follow a hostile schema further.
constexpr std::int16_t kMaxLevels = 32;

class ParquetRecords final : public ArrowRows {
 public:
  ParquetRecords(const fs::path& path, const FieldList& wanted) : ArrowRows(path, wanted, "Parquet") {
    guarded([&] { open(); });
  }

  bool next(Record& record) override {
    if (position_ == rows_) return false;
    ++position_;
    guarded([&] { read(record); });
    return true;
  }

 private:
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
    for (int i = 0; i < root.field_count(); ++i) add_column(root.field(i)->name());
    std::vector<int> leaves;
    for (int i = 0; i < schema.num_columns(); ++i) {
      const std::string& top = schema.GetColumnRoot(i)->name();
      if (!is_wanted(top)) continue;
      if (schema.Column(i)->max_definition_level() > kMaxLevels)
        fail("the column '" + top + "' is nested too deeply for a dataset");
      leaves.push_back(i);
    }
    return leaves;
  }

  void read(Record& record) {
    while (batches_ && (!batch_ || row_ == batch_->num_rows())) {
      check(batches_->ReadNext(&batch_));
      if (!batch_) fail("not a good Parquet file: it has fewer rows than its footer says");
      check(batch_->Validate());
      row_ = 0;
    }
    const std::int64_t row = row_++;  // behind it whatever is wrong with its values
    fill(batch_.get(), row, record);
  }

  std::int64_t rows_ = 0;
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
