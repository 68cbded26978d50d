// A figure of a report, and how it is told: in cells of a table for people, in JSON for programs. What a
// report has is a table of columns, over which both loop.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace anemll {

/// Nothing where nobody knows it.
using Figure =
    std::variant<std::monostate, std::int64_t, double, bool, std::string, std::vector<std::int64_t>>;

/// How a figure stands in a table.
enum class Shown {
  text,
  number,   ///< four significant digits
  percent,  ///< a share of 1 as percent
  bars,     ///< counts: one digit each, tenths of the largest, '.' for none
};

/// One column of a report whose rows are of type Row.
template <class Row>
struct Column {
  std::string_view group;  ///< title of the table that it stands in; empty: in JSON alone
  std::string_view name;   ///< of the column and of the JSON key
  std::string_view unit;   ///< empty for plain numbers
  std::string_view help;   ///< how it is computed
  Shown shown;
  Figure (*of)(const Row&);
};

std::string figure_text(const Figure& figure, Shown shown);
/// Nine significant digits, enough to give a float back. Null for nothing and for what JSON has not: NaN and
/// infinities.
std::string figure_json(const Figure& figure);
/// {"key": value, ...}
std::string object_json(std::span<const std::string_view> keys, std::span<const Figure> values);

/// [{"name": value, ...}, ...]
template <class Row>
std::string rows_json(std::span<const Column<Row>> columns, const std::vector<Row>& rows) {
  std::vector<std::string_view> keys;
  for (const Column<Row>& column : columns) keys.push_back(column.name);
  std::string text;
  for (const Row& row : rows) {
    std::vector<Figure> values;
    for (const Column<Row>& column : columns) values.push_back(column.of(row));
    text += text.empty() ? '[' : ',';
    text += object_json(keys, values);
  }
  return text.empty() ? "[]" : text + ']';
}

}  // namespace anemll
