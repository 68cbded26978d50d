#include "src/inspect/figure.hpp"

#include "anemll/core/log.hpp"
#include "src/core/metrics_log.hpp"
#include "src/core/printable.hpp"

#include <algorithm>
#include <cstddef>

namespace anemll {
namespace {

std::string bars(const std::vector<std::int64_t>& counts) {
  constexpr std::int64_t kHighest = 9;
  const std::int64_t largest = counts.empty() ? 0 : *std::max_element(counts.begin(), counts.end());
  std::string text;
  for (const std::int64_t count : counts) {
    // Rounded up: what is there shows.
    text += count == 0 ? '.' : static_cast<char>('0' + (count * kHighest + largest - 1) / largest);
  }
  return text;
}

void add(JsonLine& line, std::string_view key, const Figure& figure) {
  if (const auto* number = std::get_if<double>(&figure)) {
    line.add(key, *number);
  } else if (const auto* whole = std::get_if<std::int64_t>(&figure)) {
    line.add(key, *whole);
  } else if (const auto* flag = std::get_if<bool>(&figure)) {
    line.add(key, *flag);
  } else if (const auto* text = std::get_if<std::string>(&figure)) {
    line.add(key, std::string_view(*text));
  } else {
    line.add_json(key, figure_json(figure));
  }
}

}  // namespace

std::string figure_text(const Figure& figure, Shown shown) {
  if (const auto* number = std::get_if<double>(&figure))
    return shown == Shown::percent ? strf("%.2f%%", 100 * *number) : strf("%.4g", *number);
  if (const auto* whole = std::get_if<std::int64_t>(&figure)) return std::to_string(*whole);
  if (const auto* flag = std::get_if<bool>(&figure)) return *flag ? "yes" : "no";
  if (const auto* text = std::get_if<std::string>(&figure)) return printable(*text);
  if (const auto* counts = std::get_if<std::vector<std::int64_t>>(&figure)) return bars(*counts);
  return "-";
}

std::string figure_json(const Figure& figure) {
  if (std::holds_alternative<std::monostate>(figure)) return "null";
  if (const auto* counts = std::get_if<std::vector<std::int64_t>>(&figure)) {
    std::string text;
    for (const std::int64_t count : *counts)
      text.append(text.empty() ? "[" : ",").append(std::to_string(count));
    return text.empty() ? "[]" : text + ']';
  }
  // JsonLine knows how values are written: the value of a line of one key.
  JsonLine line;
  add(line, "v", figure);
  const std::string text = line.text();
  constexpr std::size_t kKey = 5;  // {"v":
  return text.substr(kKey, text.size() - kKey - 1);
}

std::string object_json(std::span<const std::string_view> keys, std::span<const Figure> values) {
  JsonLine line;
  for (std::size_t i = 0; i < keys.size(); ++i) add(line, keys[i], values[i]);
  return line.text();
}

}  // namespace anemll
