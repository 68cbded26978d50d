#include "src/tools/inspect_table.hpp"

#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

namespace anemll {

std::string aligned(const std::vector<std::vector<std::string>>& cells) {
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

void print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
}

void print_json(const std::string& object) {
  const auto json = nlohmann::ordered_json::parse(object);
  print(json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

}  // namespace anemll
