// The dataset formats by name: the fields that each reads and the document that it makes of them. Immutable.
#pragma once

#include "anemll/core/inventory.hpp"
#include "anemll/datasets/dataset.hpp"
#include "src/datasets/internal/record.hpp"

#include <memory>
#include <optional>
#include <string>

namespace anemll::datasets {

class DatasetFormat {
 public:
  virtual ~DatasetFormat() = default;
  /// The fields that it reads; those of a record are in this order.
  virtual FieldList fields() const = 0;
  /// Whether records without conversation, and so plain text files, are this format's.
  virtual bool plain() const { return false; }
  /// Whether a record with these field names can be this format's.
  virtual bool fits(const std::vector<std::string>& names) const = 0;
  /// The document without its `where`; nothing when the format skips the record. What it leaves out is
  /// counted. Bad records name `where`.
  virtual std::optional<Document> document(Record& record, const std::string& where,
                                           Inventory& inventory) const = 0;
  /// Of a record that `document` skipped.
  virtual std::string why_skipped(const Record&) const { return "fewer than two turns are not empty"; }
};

std::unique_ptr<DatasetFormat> make_format(const DatasetOptions& options);

/// Of a JSON file that may be one table by columns, which pandas writes.
extern const char* const kPandasHint;

/// No record of a file is of `format`: a data error that lists the `columns` that are its fields, the `names`
/// of the first record, which is at `where`, and suggests what would fit. `advice`: by what the columns hold.
[[noreturn]] void fail_fit(const DatasetFormat& format, const DatasetOptions& options,
                           const std::vector<std::string>& columns, const std::vector<std::string>& names,
                           const std::string& where, const std::string& advice);

}  // namespace anemll::datasets
