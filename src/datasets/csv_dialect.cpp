#include "src/datasets/internal/csv_dialect.hpp"

#include "src/core/shell_word.hpp"
#include "src/datasets/internal/file_kinds.hpp"
#include "src/datasets/internal/file_names.hpp"
#include "src/datasets/internal/record.hpp"

namespace anemll::datasets {

std::optional<char> separator_line(std::string_view line) {
  constexpr std::string_view kKey = "sep=";
  if (line.size() >= 2 && line.front() == '"' && line.back() == '"') line = line.substr(1, line.size() - 2);
  if (line.size() != kKey.size() + 1 || lower_case(line.substr(0, kKey.size())) != kKey) return std::nullopt;
  const auto c = static_cast<unsigned char>(line.back());
  const bool separates =
      c < 0x80 && c != '"' &&
      lower_case(line.substr(4)).find_first_of("abcdefghijklmnopqrstuvwxyz0123456789") == line.npos;
  return separates ? std::optional(line.back()) : std::nullopt;
}

bool is_backslash_row(std::string_view text, char separator, std::size_t cells) {
  bool quoted = false;
  bool closed = false;  // a quoted cell, of which nothing may follow
  bool escaped_quote = false;
  bool cell_start = true;
  std::size_t found = 1;
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      if (++i == text.size() || closed) return false;
      escaped_quote = escaped_quote || (quoted && text[i] == '"');
      cell_start = false;
    } else if (quoted) {
      quoted = c != '"';
      closed = !quoted;
    } else if (c == '\n' || c == '\r') {
      break;
    } else if (c == separator) {
      ++found;
      cell_start = true;
      closed = false;
    } else if (closed) {
      return false;
    } else {
      quoted = cell_start && c == '"';
      cell_start = false;
    }
  }
  return escaped_quote && !quoted && (cells == 0 || found == cells);
}

std::string doubling_command(const std::filesystem::path& path, char separator) {
  const std::string delimiter = separator == '\t' ? "\\t" : std::string(1, separator);
  const std::string cell = separator == '|' ? "[|]" : delimiter;
  // Python's reader would make an N of the null value, which is an empty cell in RFC 4180.
  std::string python = "import csv,re,sys; csv.field_size_limit(10**9); n=re.compile(r\"(^|(?<=";
  python.append(cell).append("))\\\\N(?=").append(cell).append("|\\r?\\n?$)\"); csv.writer(sys.stdout,");
  python.append("delimiter=\"").append(delimiter).append("\").writerows(csv.reader((n.sub(\"\",l) for l in ");
  python.append("open(0,encoding=\"utf-8-sig\",newline=\"\")),delimiter=\"").append(delimiter);
  python.append("\",escapechar=\"\\\\\",doublequote=False))");
  const std::string unpack = unpack_command(path);
  const std::string file = shell_word(path.string());
  const std::string from = unpack.empty() ? std::string() : unpack + " " + file + " | ";
  const std::string in = unpack.empty() ? " < " + file : std::string();
  std::string to = unpack.empty() ? path.stem().string() : path.stem().stem().string();
  return from + "python3 -c " + shell_word(python) + in + " > " +
         shell_word(to.append("_doubled.").append("csv"));
}

}  // namespace anemll::datasets
