// Rows of Arrow's record batches as records: what Parquet files and Arrow's own share. What Arrow throws or
// returns becomes a data error here, and its values are checked like any other input. One thread.
#pragma once

#include "src/datasets/internal/record.hpp"

#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include <arrow/record_batch.h>
#include <arrow/status.h>
#include <arrow/type_fwd.h>

namespace anemll::datasets {

class ArrowRows : public RecordSource {
 public:
  std::int64_t position() const override { return position_; }

 protected:
  /// `kind`: "Parquet" or "Arrow", for messages.
  ArrowRows(std::filesystem::path path, const FieldList& wanted, std::string kind);

  [[noreturn]] void fail(const std::string& what) const;
  void check(const arrow::Status& status) const;
  /// Arrow throws in some places and returns a status in others.
  template <typename Act>
  void guarded(Act&& act) const {
    try {
      act();
    } catch (const Error&) {
      throw;
    } catch (const std::bad_alloc&) {
      fail("the file asks for more memory than there is");
    } catch (const std::exception& error) {
      fail_library(error.what());
    }
  }
  /// A column of the file, wanted or not.
  void add_column(const std::string& name);
  bool is_wanted(const std::string& name) const;
  /// The record of one row, with the names of the columns.
  void fill(const arrow::RecordBatch* batch, std::int64_t row, Record& record) const;

  std::filesystem::path path_;
  std::int64_t position_ = 0;

 private:
  [[noreturn]] void fail_library(const std::string& what) const;
  [[noreturn]] void bad_value(const std::string& what) const;
  std::string where() const;
  Value value(const arrow::Array& array, std::int64_t row, const std::string& name, int depth) const;
  Value list(const arrow::Array& items, std::int64_t first, std::int64_t count, const std::string& name,
             int depth) const;
  Value map(const arrow::Array& array, std::int64_t row, const std::string& name, int depth) const;
  Value object(const arrow::Array& array, std::int64_t row, const std::string& name, int depth) const;

  Names wanted_;
  Names names_;
  Names unread_;
  std::string kind_;
};

}  // namespace anemll::datasets
