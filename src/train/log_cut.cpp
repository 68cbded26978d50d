#include "src/train/internal/log_cut.hpp"

#include "src/core/metrics_log.hpp"
#include "src/core/plain_numbers.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

constexpr std::string_view kSeparators = ",;\t";  // a spreadsheet may have saved the file
constexpr std::size_t kCells = 5;

enum class Row { none, train, evaluation, layers, summary, end };

/// By "kind" of a line of metrics.jsonl; any other is a step of training.
constexpr auto kKinds = std::to_array<std::pair<std::string_view, Row>>(
    {{"eval", Row::evaluation}, {"layers", Row::layers}, {"summary", Row::summary}, {"end", Row::end}});

struct Parsed {
  Row row = Row::none;  ///< none: not a row of ours
  std::int64_t step = 0;
  bool whole = false;
};

std::string_view trimmed(std::string_view cell) {
  const auto junk = [](char c) { return c == ' ' || c == '"' || c == '\r' || c == '\n'; };
  while (!cell.empty() && junk(cell.front())) cell.remove_prefix(1);
  while (!cell.empty() && junk(cell.back())) cell.remove_suffix(1);
  return cell;
}

std::optional<std::int64_t> step_in(std::string_view cell) {
  const std::string text(trimmed(cell));
  char* end = nullptr;
  const double value = plain_strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= 0) || value > 9e15 || value != std::floor(value))
    return std::nullopt;
  return static_cast<std::int64_t>(value);
}

Parsed parse_csv(std::string_view line) {
  std::vector<std::string_view> cells;
  while (true) {
    const std::size_t end = line.find_first_of(kSeparators);
    cells.push_back(line.substr(0, end));
    if (end == std::string_view::npos) break;
    line.remove_prefix(end + 1);
  }
  const std::optional<std::int64_t> step = step_in(cells[0]);
  if (!step || cells.size() < 3) return {};
  return {trimmed(cells[2]).empty() ? Row::train : Row::evaluation, *step,
          cells.size() >= kCells && !trimmed(cells[kCells - 1]).empty()};
}

Parsed parse_metrics(std::string_view line) {
  const auto object = nlohmann::json::parse(line.begin(), line.end(), nullptr, false);
  if (!object.is_object()) return {};
  const auto kind = object.find("kind");
  const std::string name = kind != object.end() && kind->is_string() ? kind->get<std::string>() : "";
  const auto known = std::ranges::find(kKinds, name, &std::pair<std::string_view, Row>::first);
  const Row row = known == kKinds.end() ? Row::train : known->second;
  const auto nested = object.find("summary");
  const auto& holder = row == Row::summary && nested != object.end() ? *nested : object;
  if (!holder.is_object() || !holder.contains("step") || !holder["step"].is_number_integer()) return {};
  return {row, holder["step"].get<std::int64_t>(), true};
}

class Cutter {
 public:
  explicit Cutter(const LogMark& mark) : mark_(mark) {}

  bool stays(const Parsed& line) {
    switch (line.row) {
      case Row::none:
        return true;
      case Row::train:
        return line.step <= mark_.trained;
      case Row::evaluation:
        return line.step < mark_.evaluated || (line.step == mark_.evaluated && seen_++ < mark_.evaluations);
      case Row::layers:  // looked at before the state of their step is saved
        return line.step <= mark_.step;
      case Row::summary:
        return line.step < mark_.step || (line.step == mark_.step && mark_.finished);
      case Row::end:  // the run goes on, as if it had not left
        return false;
    }
    return true;
  }

 private:
  const LogMark& mark_;
  std::int64_t seen_ = 0;  // evaluations of the last step
};

std::string cut(std::string_view text, const LogMark& mark, Parsed (*parse)(std::string_view),
                std::string_view line_end) {
  Cutter cutter(mark);
  std::string out;
  while (!text.empty()) {
    const std::size_t newline = text.find('\n');
    const std::string_view line = text.substr(0, newline == std::string_view::npos ? newline : newline + 1);
    text.remove_prefix(line.size());
    const Parsed parsed = parse(line);
    const bool ended = line.back() == '\n';
    if (!ended && !(parsed.whole || line.front() == '#')) break;
    if (!cutter.stays(parsed)) continue;
    out += line;
    if (!ended) out += line_end;
  }
  return out;
}

}  // namespace

std::string cut_csv(std::string_view text, const LogMark& mark) {
  const std::string rows = cut(text, mark, parse_csv, "\r\n");
  return rows.empty() || has_csv_header(rows) ? rows : std::string(kCsvHeader) + rows;
}

std::string cut_metrics(std::string_view text, const LogMark& mark) {
  return cut(text, mark, parse_metrics, "\n");
}

}  // namespace anemll
