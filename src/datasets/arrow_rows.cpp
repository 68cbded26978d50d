#include "src/datasets/internal/arrow_rows.hpp"

#include "src/core/shell_word.hpp"
#include "src/formats/utf8.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include <arrow/array/array_binary.h>
#include <arrow/array/array_dict.h>
#include <arrow/array/array_nested.h>
#include <arrow/array/array_primitive.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <simdjson.h>

namespace anemll::datasets {
namespace {

using arrow::Array;

bool is_text(const arrow::DataType& type) {
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

/// The double in the shortest digits that give it again; a float is widened first, as Python does.
std::string number(double value) {
  std::array<char, 64> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  return {buffer.data(), end.ptr};
}

/// As JSON spells it; nothing for what JSON has no literal for.
std::optional<std::string> literal(const Array& array, std::int64_t row) {
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      return static_cast<const arrow::BooleanArray&>(array).Value(row) ? "true" : "false";
    case arrow::Type::FLOAT:
      return number(static_cast<const arrow::FloatArray&>(array).Value(row));
    case arrow::Type::DOUBLE:
      return number(static_cast<const arrow::DoubleArray&>(array).Value(row));
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64: {
      const auto scalar = array.GetScalar(row);
      if (scalar.ok()) return (*scalar)->ToString();
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

ArrowRows::ArrowRows(std::filesystem::path path, const FieldList& wanted, std::string kind)
    : path_(std::move(path)), wanted_(wanted.all()), kind_(std::move(kind)) {}

std::string ArrowRows::where() const {
  return position_ == 0 ? path_.string() : record_where(path_, FileKind::parquet, position_);
}

void ArrowRows::fail(const std::string& what) const {
  throw_data(what, where(),
             "the file is damaged or was not copied whole: fetch it again; this tells more: python3 -c " +
                 shell_word("import pyarrow.dataset as d; print(d.dataset(" + python_text(path_.string()) +
                            ").head(1))"));
}

void ArrowRows::fail_library(const std::string& what) const {
  fail("not a good " + kind_ + " file: " + what.substr(0, what.find('\n')));
}

void ArrowRows::check(const arrow::Status& status) const {
  if (!status.ok()) fail_library(status.message());
}

void ArrowRows::bad_value(const std::string& what) const {
  throw_bad_record(what, where(),
                   "correct the row, or choose the field or --dataset_format that the file has");
}

bool ArrowRows::is_wanted(const std::string& name) const {
  return std::find(wanted_.begin(), wanted_.end(), name) != wanted_.end();
}

void ArrowRows::add_column(const std::string& name) {
  if (!formats::is_utf8(name)) fail("not a good " + kind_ + " file: a column's name is not UTF-8");
  if (is_wanted(name) && std::find(names_.begin(), names_.end(), name) != names_.end()) {
    throw_data(
        "there are two columns '" + name + "'", path_.string(),
        "rename one of them with python3 (pyarrow's rename_columns): which holds the text cannot be told");
  }
  names_.push_back(name);
  if (!is_wanted(name)) unread_.push_back(name);
}

void ArrowRows::fill(const arrow::RecordBatch* batch, std::int64_t row, Record& record) const {
  record.clear(wanted_.size());
  record.names = names_;
  record.unread = unread_;
  if (batch == nullptr) return;
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    const std::shared_ptr<Array> column = batch->GetColumnByName(wanted_[i]);
    if (column) record.fields[i] = value(*column, row, wanted_[i], 0);
  }
}

Value ArrowRows::value(const Array& array, std::int64_t row, const std::string& name, int depth) const {
  const arrow::DataType& type = *array.type();
  const auto of = [&](Value::Kind kind) { return Value::of_type(kind, "of the type " + type.ToString()); };
  if (type.id() == arrow::Type::NA || array.IsNull(row)) return Value::of_type(Value::Kind::null, {});
  if (is_text(type)) {
    std::string_view view;
    switch (type.id()) {
      case arrow::Type::DICTIONARY: {
        const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
        const std::int64_t index = dictionary.GetValueIndex(row);
        if (index < 0 || index >= dictionary.dictionary()->length())
          fail("not a good " + kind_ + " file: an index beyond its dictionary");
        return value(*dictionary.dictionary(), index, name, depth);
      }
      case arrow::Type::STRING_VIEW:
        view = static_cast<const arrow::StringViewArray&>(array).GetView(row);
        break;
      case arrow::Type::LARGE_STRING:
      case arrow::Type::LARGE_BINARY:
        view = static_cast<const arrow::LargeBinaryArray&>(array).GetView(row);
        break;
      default:
        view = static_cast<const arrow::BinaryArray&>(array).GetView(row);
    }
    if (!simdjson::validate_utf8(view.data(), view.size()))
      bad_value("the text of '" + name + "', of the type " + type.ToString() + ", is not UTF-8");
    return Value::of_text(std::string(view));
  }
  if (depth == Value::kMaxDepth) return of(Value::Kind::other);
  const auto entries = [&](const auto& lists) {
    Value out = list(*lists.values(), lists.value_offset(row), lists.value_length(row), name, depth);
    const bool turns = !out.items.empty() && out.items.front().kind == Value::Kind::object;
    if (!turns) out.type = "of the type " + type.ToString();
    return out;
  };
  switch (type.id()) {
    case arrow::Type::LIST:
      return entries(static_cast<const arrow::ListArray&>(array));
    case arrow::Type::LARGE_LIST:
      return entries(static_cast<const arrow::LargeListArray&>(array));
    case arrow::Type::FIXED_SIZE_LIST:
      return entries(static_cast<const arrow::FixedSizeListArray&>(array));
    case arrow::Type::LIST_VIEW:
      return entries(static_cast<const arrow::ListViewArray&>(array));
    case arrow::Type::LARGE_LIST_VIEW:
      return entries(static_cast<const arrow::LargeListViewArray&>(array));
    case arrow::Type::MAP:
      return map(array, row, name, depth);
    case arrow::Type::STRUCT:
      return object(array, row, name, depth);
    default:
      if (auto text = literal(array, row)) {
        Value out = of(Value::Kind::literal);
        out.text = std::move(*text);
        return out;
      }
      return of(Value::Kind::other);
  }
}

Value ArrowRows::list(const Array& items, std::int64_t first, std::int64_t count, const std::string& name,
                      int depth) const {
  if (first < 0 || count < 0 || first > items.length() - count)
    fail("not a good " + kind_ + " file: a list beyond its items");
  Value out = Value::of_type(Value::Kind::list, {});
  out.items.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) out.items.push_back(value(items, first + i, name, depth + 1));
  return out;
}

/// An object where the keys are text, as in JSON.
Value ArrowRows::map(const Array& array, std::int64_t row, const std::string& name, int depth) const {
  const auto& maps = static_cast<const arrow::MapArray&>(array);
  const Value keys = list(*maps.keys(), maps.value_offset(row), maps.value_length(row), name, depth);
  const Value items = list(*maps.items(), maps.value_offset(row), maps.value_length(row), name, depth);
  Value out = Value::of_type(Value::Kind::object, {});
  for (std::size_t i = 0; i < keys.items.size(); ++i) {
    if (keys.items[i].kind != Value::Kind::text)
      return Value::of_type(Value::Kind::other, "of the type " + array.type()->ToString());
    out.keys.push_back(keys.items[i].text);
    out.items.push_back(items.items[i]);
  }
  return out;
}

Value ArrowRows::object(const Array& array, std::int64_t row, const std::string& name, int depth) const {
  const auto& structs = static_cast<const arrow::StructArray&>(array);
  Value out = Value::of_type(Value::Kind::object, {});
  for (int i = 0; i < structs.num_fields(); ++i) {
    out.keys.push_back(structs.struct_type()->field(i)->name());
    if (!formats::is_utf8(out.keys.back()))
      fail("not a good " + kind_ + " file: a member's name is not UTF-8");
    out.items.push_back(value(*structs.field(i), row, name, depth + 1));
  }
  return out;
}

}  // namespace anemll::datasets
