#include "src/report/internal/markdown.hpp"

#include "src/core/printable.hpp"

#include <algorithm>

namespace anemll {
namespace {

/// On one line, and without a sign that Markdown or a browser behind it would read.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == '\t') {
      out += ' ';
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '|' || c == '`' || c == '\\') {
      out.append(1, '\\').append(1, c);
    } else {
      out += c;
    }
  }
  return printable(out);
}

/// In back quotes: as many as the text has not.
std::string quoted(std::string_view text) {
  std::size_t longest = 0, now = 0;
  for (const char c : text) {
    now = c == '`' ? now + 1 : 0;
    longest = std::max(longest, now);
  }
  const std::string ticks(longest + 1, '`');
  const std::string blank = longest > 0 ? " " : "";
  return ticks + blank + printable(text) + blank + ticks;
}

std::string row_text(const std::vector<std::string>& cells) {
  std::string out = "|";
  for (const std::string& cell : cells) out.append(" ").append(plain(cell)).append(" |");
  return out + '\n';
}

struct Writer {
  std::string operator()(const Paragraph& p) const {
    std::string out;
    for (const Piece& piece : p.pieces) out += piece.code ? quoted(piece.text) : plain(piece.text);
    return out + "\n\n";
  }
  std::string operator()(const ReportTable& table) const {
    std::string out = row_text(table.head) + '|';
    for (std::size_t i = 0; i < table.head.size(); ++i) out += "---|";
    out += '\n';
    for (const auto& row : table.rows) out += row_text(row);
    return out + '\n';
  }
  std::string operator()(const CodeLines& code) const {
    std::string out = "```\n";
    for (const std::string& line : code.lines) out += printable(line) + '\n';
    return out + "```\n\n";
  }
  std::string operator()(const CurvesFigure&) const { return {}; }
  std::string operator()(const PointsFigure&) const { return {}; }
  std::string operator()(const HeatFigure&) const { return {}; }
};

}  // namespace

std::string markdown_text(const ReportDocument& document) {
  std::string out = std::string(kMarkdownMark) + "\n# " + plain(document.title) + "\n\n";
  for (const Block& block : document.lead) out += std::visit(Writer{}, block);
  for (const Section& section : document.sections) {
    std::string body;
    for (const Block& block : section.blocks) body += std::visit(Writer{}, block);
    if (!body.empty()) out += "## " + plain(section.title) + "\n\n" + body;
  }
  while (out.ends_with("\n\n")) out.pop_back();
  return out;
}

}  // namespace anemll
