#include "src/inspect/text_table.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace anemll {

std::string aligned(const TableCells& cells) {
  std::vector<std::size_t> widths(cells.empty() ? 0 : cells.front().size(), 0);
  for (const auto& row : cells) {
    for (std::size_t c = 0; c < widths.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string text;
  for (const auto& row : cells) {
    for (std::size_t c = 0; c < widths.size(); ++c) {
      const std::string space(widths[c] - row[c].size(), ' ');
      text += "  ";
      text += c == 0 ? row[c] + space : space + row[c];
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

std::string markdown(const TableCells& cells) {
  std::string text;
  for (std::size_t r = 0; r < cells.size(); ++r) {
    text += '|';
    for (const std::string& cell : cells[r]) {
      text += ' ';
      for (const char c : cell) text += c == '|' ? std::string("\\|") : std::string(1, c);
      text += " |";
    }
    text += '\n';
    if (r > 0) continue;
    text += "|---|";
    for (std::size_t c = 1; c < cells[r].size(); ++c) text += "---:|";
    text += '\n';
  }
  return text;
}

std::string indented_json(const std::string& object) {
  const auto json = nlohmann::ordered_json::parse(object);
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace anemll
