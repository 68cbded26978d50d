// Reports as text tables, as Markdown and as JSON, out of the columns of figure.hpp.
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

/// The head, then the rows, equally long.
using TableCells = std::vector<std::vector<std::string>>;

/// Cells in columns: the first one left, the others right.
std::string aligned(const TableCells& cells);
/// The same as a table of Markdown.
std::string markdown(const TableCells& cells);

/// The cells of one group: the first of all columns names the row, then the group's. A column in which no row
/// has a figure is left out. Of the rows the first `shown`. Empty where nothing is to be shown.
template <class Row>
TableCells group_cells(std::span<const Column<Row>> columns, std::string_view group,
                       const std::vector<Row>& rows, std::size_t shown) {
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
  TableCells cells(1);
  for (const Column<Row>* column : chosen) cells.front().emplace_back(column->name);
  for (std::size_t i = 0; i < shown; ++i) {
    cells.emplace_back();
    for (const Column<Row>* column : chosen)
      cells.back().push_back(figure_text(column->of(rows[i]), column->shown));
  }
  return cells;
}

/// The titles of the columns in their order, each once. Figures without a group are for programs.
template <class Row>
std::vector<std::string_view> groups_of(std::span<const Column<Row>> columns) {
  std::vector<std::string_view> groups;
  for (const Column<Row>& column : columns) {
    bool told = column.group.empty();
    for (const std::string_view group : groups) told = told || group == column.group;
    if (!told) groups.push_back(column.group);
  }
  return groups;
}

/// The table of one group. At most `top` rows, 0: all; what is left out is told.
template <class Row>
std::string group_table(std::span<const Column<Row>> columns, std::string_view group,
                        const std::vector<Row>& rows, std::int64_t top) {
  const std::size_t shown =
      top > 0 && static_cast<std::size_t>(top) < rows.size() ? static_cast<std::size_t>(top) : rows.size();
  const TableCells cells = group_cells(columns, group, rows, shown);
  if (cells.empty()) return {};
  std::string text = aligned(cells);
  if (shown < rows.size())
    text += "  ... and " + std::to_string(rows.size() - shown) + " more (--top 0 shows all)\n";
  return text;
}

/// A table for each group, in the order of the columns, with its title.
template <class Row>
std::string tables(std::span<const Column<Row>> columns, const std::vector<Row>& rows, std::int64_t top) {
  std::string text;
  for (const std::string_view group : groups_of(columns)) {
    const std::string table = group_table(columns, group, rows, top);
    if (!table.empty()) text.append("\n").append(group).append(":\n").append(table);
  }
  return text;
}

/// All rows, as Markdown.
template <class Row>
std::string markdown_tables(std::span<const Column<Row>> columns, const std::vector<Row>& rows) {
  std::string text;
  for (const std::string_view group : groups_of(columns)) {
    const TableCells cells = group_cells(columns, group, rows, rows.size());
    if (!cells.empty()) text.append("\n**").append(group).append("**\n\n").append(markdown(cells));
  }
  return text;
}

/// `object` is JSON: the same with line ends and indents.
std::string indented_json(const std::string& object);

}  // namespace anemll
