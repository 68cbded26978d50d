// Reports as text tables for people and as JSON for programs, out of the columns of the room inspect.
#pragma once

#include "src/inspect/figure.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace anemll {

/// Cells in columns: the first one left, the others right. `cells`: the head, then the rows, equally long.
std::string aligned(const std::vector<std::vector<std::string>>& cells);

/// The table of one group: the first of all columns names the row, then the group's. A column in which no row
/// has a figure is left out. At most `top` rows, 0: all; what is left out is told.
template <class Row>
std::string group_table(std::span<const Column<Row>> columns, std::string_view group,
                        const std::vector<Row>& rows, std::int64_t top) {
  const std::size_t shown =
      top > 0 && static_cast<std::size_t>(top) < rows.size() ? static_cast<std::size_t>(top) : rows.size();
  std::vector<const Column<Row>*> chosen{&columns.front()};
  for (const Column<Row>& column : columns.subspan(1)) {
    if (column.group != group) continue;
    for (const Row& row : rows) {
      if (std::holds_alternative<std::monostate>(column.of(row))) continue;
      chosen.push_back(&column);
      break;
    }
  }
  if (chosen.size() == 1 || rows.empty()) return {};
  std::vector<std::vector<std::string>> cells(1);
  for (const Column<Row>* column : chosen) cells.front().emplace_back(column->name);
  for (std::size_t i = 0; i < shown; ++i) {
    cells.emplace_back();
    for (const Column<Row>* column : chosen)
      cells.back().push_back(figure_text(column->of(rows[i]), column->shown));
  }
  std::string text = aligned(cells);
  if (shown < rows.size())
    text += "  ... and " + std::to_string(rows.size() - shown) + " more (--top 0 shows all)\n";
  return text;
}

/// A table for each group, in the order of the columns, with its title.
template <class Row>
std::string tables(std::span<const Column<Row>> columns, const std::vector<Row>& rows, std::int64_t top) {
  std::string text;
  std::vector<std::string_view> done{""};  // figures without a group are for programs
  for (const Column<Row>& column : columns) {
    bool told = false;
    for (const std::string_view group : done) told = told || group == column.group;
    if (told) continue;
    done.push_back(column.group);
    const std::string table = group_table(columns, column.group, rows, top);
    if (!table.empty()) text.append("\n").append(column.group).append(":\n").append(table);
  }
  return text;
}

/// On stdout.
void print(const std::string& text);
/// `object` is JSON: printed with line ends and indents.
void print_json(const std::string& object);

}  // namespace anemll
