// The dataset formats by name: the fields that each reads and the document that it makes of them. Immutable.
#pragma once

#include "anemll/datasets/dataset.hpp"
#include "src/datasets/record.hpp"

#include <memory>
#include <optional>
#include <string>

namespace anemll::datasets {

class DatasetFormat {
 public:
  virtual ~DatasetFormat() = default;
  virtual FieldList fields() const = 0;
  /// Whether records without conversation, and so plain text files, are this format's.
  virtual bool plain() const { return false; }
  /// Whether a record with these field names can be this format's.
  virtual bool fits(const std::vector<std::string>& names) const = 0;
  /// The document without its `where`; nothing when the format skips the record. Data errors name `where`.
  virtual std::optional<Document> document(Record& record, const std::string& where) const = 0;
  /// Of a record that `document` skipped.
  virtual std::string why_skipped(const Record&) const { return "fewer than two turns are not empty"; }
};

/// A usage error lists the names.
std::unique_ptr<DatasetFormat> make_format(const DatasetOptions& options);

/// Throws when a record of `names` cannot be of `format`: a data error that lists them and suggests what
/// would fit.
void require_fit(const DatasetFormat& format, const DatasetOptions& options,
                 const std::vector<std::string>& names, const std::string& where);

}  // namespace anemll::datasets
