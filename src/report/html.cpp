#include "src/report/internal/html.hpp"

#include "anemll/core/log.hpp"
#include "src/core/printable.hpp"
#include "src/report/internal/svg.hpp"

#include <cctype>

namespace anemll {
namespace {

// Colours by Okabe and Ito, which people with any kind of sight tell apart; brighter ones on a dark page.
constexpr std::string_view kStyle = R"css(
:root { color-scheme: light dark; --page: #ffffff; --ink: #1c1c1e; --soft: #5b5f66; --line: #d9dce1; --panel: #f5f6f8;
  --c0: #0072b2; --c1: #d55e00; --c2: #00805d; --c3: #a8508a; --c4: #8a6d00; --c5: #3a8fc7; --c6: #555555; --c7: #7a4fc0; --heat: #d55e00; }
@media (prefers-color-scheme: dark) { :root { --page: #15171a; --ink: #e8e8ea; --soft: #a3a8b0; --line: #34383e; --panel: #1e2125;
  --c0: #56b4e9; --c1: #ff8c42; --c2: #2cc295; --c3: #e08cc4; --c4: #e6c229; --c5: #9ad4f5; --c6: #c0c0c0; --c7: #b79cf2; --heat: #ff8c42; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 1180px; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .7rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
p { margin: .5rem 0 .9rem; max-width: 52rem; overflow-wrap: anywhere; }
nav { margin: .8rem 0 0; } nav a { margin-right: 1rem; color: var(--c0); }
code, pre { font: .875em/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
code { background: var(--panel); padding: .05em .3em; border-radius: 3px; overflow-wrap: anywhere; }
pre { background: var(--panel); padding: .8rem 1rem; border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: .6rem 0 1.2rem; }
table { border-collapse: collapse; font-size: .925rem; }
th, td { padding: .3rem .75rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
table.texts { width: 100%; table-layout: fixed; } table.texts th:first-child { width: 18%; } table.texts td { white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--c0); margin: .4rem 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 460px), 1fr)); gap: 1.2rem 1.6rem; margin: 1rem 0; }
figure { margin: 0; } figure.whole { grid-column: 1 / -1; overflow-x: auto; } figure.whole svg { min-width: 700px; }
figcaption { font-weight: 600; font-size: .95rem; margin-bottom: .2rem; overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: auto; }
svg text { font: 13px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: var(--soft); }
svg text.ink { fill: var(--ink); }
.grid { stroke: var(--line); stroke-width: 1; } .frame { stroke: var(--soft); stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .faint { stroke-width: 1; opacity: .35; }
.cell { fill: var(--heat); } .cell.none { fill: var(--line); }
ul.legend { list-style: none; margin: .2rem 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; font-size: .875rem; color: var(--soft); }
ul.legend b { color: var(--ink); font-weight: 600; overflow-wrap: anywhere; } ul.legend i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em; }
)css";

std::string colour_classes() {
  std::string out;
  for (std::size_t i = 0; i < kColours; ++i)
    out += strf(
        ".s%zu { stroke: var(--c%zu); } .f%zu { fill: var(--c%zu); } i.b%zu { background: var(--c%zu); }\n",
        i, i, i, i, i, i);
  return out;
}

/// A word for links inside of the page.
std::string anchor(std::string_view title, std::size_t number) {
  std::string out = strf("s%zu", number);
  for (const char c : title) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      out.append(out.size() > 40 ? 0 : 1, static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    }
  }
  return out;
}

struct Writer {
  std::string operator()(const Paragraph& p) const {
    std::string out = "<p>";
    for (const Piece& piece : p.pieces)
      out += piece.code ? "<code>" + escaped(piece.text) + "</code>" : escaped(piece.text);
    return out + "</p>\n";
  }
  std::string operator()(const ReportTable& table) const {
    const auto row_of = [&](const std::vector<std::string>& cells, const std::string& tag) {
      std::string out = "<tr>";
      for (std::size_t i = 0; i < cells.size(); ++i) {
        out += "<" + tag + (i >= table.first_number ? " class=\"n\">" : ">");
        out += escaped(cells[i]) + "</" + tag + ">";
      }
      return out + "</tr>\n";
    };
    std::string out =
        table.folded.empty() ? "" : "<details><summary>" + escaped(table.folded) + "</summary>\n";
    out += std::string("<div class=\"wide\"><table") + (table.texts ? " class=\"texts\"" : "") +
           ">\n<thead>" + row_of(table.head, "th") + "</thead>\n<tbody>\n";
    for (const auto& row : table.rows) out += row_of(row, "td");
    out += "</tbody></table></div>\n";
    return table.folded.empty() ? out : out + "</details>\n";
  }
  std::string operator()(const CodeLines& lines) const {
    std::string out = "<pre>";
    for (const std::string& line : lines.lines) out += escaped(line) + "\n";
    return out + "</pre>\n";
  }
  std::string operator()(const CurvesFigure& figure) const { return figure_html(figure); }
  std::string operator()(const PointsFigure& figure) const { return figure_html(figure); }
  std::string operator()(const HeatFigure& figure) const { return figure_html(figure); }
};

/// Figures that follow each other stand side by side.
std::string blocks_html(const std::vector<Block>& blocks) {
  std::string out;
  bool in_figures = false;
  for (const Block& block : blocks) {
    const bool is_figure = !std::holds_alternative<Paragraph>(block) &&
                           !std::holds_alternative<ReportTable>(block) &&
                           !std::holds_alternative<CodeLines>(block);
    if (is_figure != in_figures) out += is_figure ? "<div class=\"figures\">\n" : "</div>\n";
    in_figures = is_figure;
    out += std::visit(Writer{}, block);
  }
  return in_figures ? out + "</div>\n" : out;
}

/// U+FFFE and U+FFFF are the two characters of UTF-8 that XML refuses.
bool is_no_character(std::string_view text, std::size_t at) {
  const std::string_view three = text.substr(at, 3);
  return three == "\xef\xbf\xbe" || three == "\xef\xbf\xbf";
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    const std::size_t length = utf8_length(text.substr(i));
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\n' || c == '\t') {
      out += c;
    } else if (is_no_character(text, i)) {
      out += "\\uFFFE";
    } else {
      out += printable(text.substr(i, length == 0 ? 1 : length));
    }
    i += length == 0 ? 1 : length;
  }
  return out;
}

std::string html_page(const ReportDocument& document) {
  std::string out = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n";
  out += std::string(kHtmlMark) + "\n";
  out +=
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\"/>\n";
  out += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n";
  out += "<title>" + escaped(document.title) + "</title>\n<style>" + std::string(kStyle) + colour_classes() +
         "</style>\n</head>\n<body>\n";
  out += "<h1>" + escaped(document.title) + "</h1>\n" + blocks_html(document.lead);
  out += "<nav>";
  for (std::size_t i = 0; i < document.sections.size(); ++i)
    out += "<a href=\"#" + anchor(document.sections[i].title, i) + "\">" +
           escaped(document.sections[i].title) + "</a> ";
  out += "</nav>\n";
  for (std::size_t i = 0; i < document.sections.size(); ++i) {
    const Section& section = document.sections[i];
    out += "<section>\n<h2 id=\"" + anchor(section.title, i) + "\">" + escaped(section.title) + "</h2>\n" +
           blocks_html(section.blocks) + "</section>\n";
  }
  return out + "</body>\n</html>\n";
}

}  // namespace anemll
