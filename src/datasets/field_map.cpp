#include "src/datasets/internal/field_map.hpp"

#include "anemll/core/choices.hpp"
#include "anemll/core/error.hpp"
#include "src/core/one_of.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace anemll {
namespace datasets {
namespace {

/// No column has this name: the field's own one stands for another.
constexpr std::string_view kNone{"\0", 1};

std::string joined(const Names& names) {
  std::string out;
  for (const std::string& name : names) out.append(out.empty() ? "" : ", ").append(name);
  return out;
}

std::string flag_of(const FieldColumn& one) {
  std::string out = "--map ";
  return out.append(one.field).append("=").append(one.column);
}

Names columns_of(const Names& fields, const std::vector<FieldColumn>& map) {
  Names out;
  for (const std::string& field : fields) {
    const auto own =
        std::find_if(map.begin(), map.end(), [&](const auto& one) { return one.field == field; });
    const bool taken =
        std::any_of(map.begin(), map.end(), [&](const auto& one) { return one.column == field; });
    out.push_back(own != map.end() ? own->column : taken ? std::string(kNone) : field);
  }
  return out;
}

}  // namespace

FieldMap::FieldMap(const FieldList& fields, const DatasetOptions& options)
    : map_(options.map),
      fields_(fields),
      columns_{columns_of(fields.main, map_), columns_of(fields.more, map_)} {
  const Names known = fields_.all();
  for (const FieldColumn& one : map_) {
    if (is_one_of(one.field, known)) continue;
    throw_usage("format " + choice_name(options.format) + " has no field '" + one.field + "'", flag_of(one),
                "write --map FIELD=COLUMN, where FIELD is one of " + joined(known));
  }
}

Names FieldMap::fields_of(const Names& columns) const {
  const Names from = columns_.all();
  const Names to = fields_.all();
  Names out;
  for (const std::string& column : columns) {
    const auto at = std::find(from.begin(), from.end(), column);
    if (at != from.end()) {
      out.push_back(to[static_cast<std::size_t>(at - from.begin())]);
    } else if (!is_one_of(column, to)) {
      out.push_back(column);
    }
  }
  return out;
}

}  // namespace datasets

std::vector<FieldColumn> field_columns(const std::vector<std::string>& texts) {
  constexpr const char* kForm =
      "write FIELD=COLUMN, for example --map instruction=question --map output=answer";
  std::vector<FieldColumn> out;
  for (const std::string& text : texts) {
    const std::size_t at = text.find('=');
    const std::string flag = std::string("--map ").append(text);
    if (at == std::string::npos || at == 0 || at + 1 == text.size())
      throw_usage("is no FIELD=COLUMN", flag, kForm);
    FieldColumn one{text.substr(0, at), text.substr(at + 1)};
    for (const FieldColumn& before : out) {
      if (before.field == one.field)
        throw_usage("the field '" + one.field + "' has a column already", flag, kForm);
      if (before.column == one.column)
        throw_usage("the column '" + one.column + "' is another field already", flag, kForm);
    }
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace anemll
