// --map FIELD=COLUMN: which column of a file is which field of a format, where their names differ. Immutable.
#pragma once

#include "anemll/datasets/dataset.hpp"
#include "src/datasets/internal/record.hpp"

#include <vector>

namespace anemll::datasets {

class FieldMap {
 public:
  /// A usage error: a field that the format does not read.
  FieldMap(const FieldList& fields, const DatasetOptions& options);

  /// What readers look for, in the order of the fields. A column that stands for one field is not another's.
  const FieldList& columns() const { return columns_; }
  /// The names of a record as the format knows them: columns that stand for a field have its name.
  Names fields_of(const Names& columns) const;
  bool empty() const { return map_.empty(); }

 private:
  std::vector<FieldColumn> map_;
  FieldList fields_;
  FieldList columns_;
};

}  // namespace anemll::datasets
