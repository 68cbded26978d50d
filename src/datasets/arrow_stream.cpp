// .arrow files: Arrow's stream format, which the datasets library of Python writes, and its file format, told
// apart by their first bytes.
#include "src/datasets/internal/arrow_rows.hpp"

#include <cstring>
#include <utility>

#include <arrow/buffer.h>
#include <arrow/io/file.h>
#include <arrow/ipc/options.h>
#include <arrow/ipc/reader.h>
#include <arrow/memory_pool.h>
#include <arrow/type.h>

namespace anemll::datasets {
namespace {

namespace fs = std::filesystem;

class ArrowRecords final : public ArrowRows {
 public:
  ArrowRecords(const fs::path& path, const FieldList& wanted) : ArrowRows(path, wanted, "Arrow") {
    guarded([&] { open(); });
  }

  bool next(Record& record) override {
    bool more = true;
    guarded([&] { more = read(record); });
    return more;
  }

 private:
  void open() {
    if (!fs::is_regular_file(path_)) fail("is no file");
    auto opened = arrow::io::ReadableFile::Open(path_.string(), arrow::system_memory_pool());
    check(opened.status());
    input_ = *opened;
    constexpr std::string_view kMagic = "ARROW1";
    char start[kMagic.size()] = {};
    const auto got = input_->ReadAt(0, kMagic.size(), start);
    check(got.status());
    arrow::ipc::IpcReadOptions how = arrow::ipc::IpcReadOptions::Defaults();
    how.memory_pool = arrow::system_memory_pool();
    how.use_threads = false;
    how.max_recursion_depth = Value::kMaxDepth;
    std::shared_ptr<arrow::Schema> schema;
    if (*got == static_cast<std::int64_t>(kMagic.size()) &&
        std::memcmp(start, kMagic.data(), kMagic.size()) == 0) {
      auto reader = arrow::ipc::RecordBatchFileReader::Open(input_, how);
      check(reader.status());
      file_ = *reader;
      schema = file_->schema();
    } else {
      check(input_->Seek(0));
      auto reader = arrow::ipc::RecordBatchStreamReader::Open(input_, how);
      check(reader.status());
      stream_ = *reader;
      schema = stream_->schema();
    }
    for (const auto& field : schema->fields()) add_column(field->name());
  }

  bool read(Record& record) {
    while (!batch_ || row_ == batch_->num_rows()) {
      batch_.reset();
      row_ = 0;
      if (file_) {
        if (batches_ == file_->num_record_batches()) return false;
        auto batch = file_->ReadRecordBatch(batches_);
        check(batch.status());
        batch_ = *batch;
      } else {
        check(stream_->ReadNext(&batch_));
        if (!batch_) return false;
      }
      ++batches_;
      check(batch_->ValidateFull());
    }
    ++position_;
    const std::int64_t row = row_++;  // behind it whatever is wrong with its values
    fill(batch_.get(), row, record);
    return true;
  }

  std::shared_ptr<arrow::io::ReadableFile> input_;
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> file_;  ///< one of these two
  std::shared_ptr<arrow::ipc::RecordBatchStreamReader> stream_;
  std::shared_ptr<arrow::RecordBatch> batch_;
  int batches_ = 0;
  std::int64_t row_ = 0;
};

}  // namespace

std::unique_ptr<RecordSource> open_arrow(const fs::path& path, const FieldList& wanted) {
  return std::make_unique<ArrowRecords>(path, wanted);
}

}  // namespace anemll::datasets
