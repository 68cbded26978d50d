// Logs that are tables or lines for people.
#include "src/core/plain_numbers.hpp"
#include "src/runs/internal/log_text.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>

namespace anemll {
namespace {

constexpr std::string_view kSeparators = ",;\t";  // a spreadsheet may have saved the table

std::string_view trimmed(std::string_view cell) {
  const auto junk = [](char c) { return c == ' ' || c == '"' || c == '\r'; };
  while (!cell.empty() && junk(cell.front())) cell.remove_prefix(1);
  while (!cell.empty() && junk(cell.back())) cell.remove_suffix(1);
  return cell;
}

/// All of the text must be a number; Python's nan and inf are.
std::optional<double> number(std::string_view cell) {
  const std::string text(cell);
  char* end = nullptr;
  const double value = plain_strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0') return std::nullopt;
  return value;
}

std::optional<std::int64_t> step_of(std::string_view cell) {
  const auto value = number(cell);
  if (!value || !(*value >= 0) || *value > 9e15 || *value != std::floor(*value)) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

/// The number that stands behind `mark`: "loss=0.5,", "loss 0.5  kl".
std::optional<double> number_behind(std::string_view line, std::string_view mark) {
  const std::size_t at = line.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = line.substr(at + mark.size());
  return number(rest.substr(0, std::min(rest.find_first_not_of("0123456789.+-einfaEINFA"), rest.size())));
}

struct Column {
  std::string kind;  ///< empty: it tells of the row, whatever that is
  std::string key;
};

/// train_loss is train/loss, eval_loss eval/loss.
Column column_of(std::string_view name) {
  for (const std::string_view kind : {"train", "eval"}) {
    if (name.size() > kind.size() + 1 && name.starts_with(kind) &&
        (name[kind.size()] == '_' || name[kind.size()] == '/'))
      return {std::string(kind), std::string(name.substr(kind.size() + 1))};
  }
  if (name == "loss") return {"train", "loss"};
  return {"", name == "elapsed_sec" ? "elapsed_s" : std::string(name)};
}

/// Whether the line was one of steps or evaluations.
bool read_people_line(std::string_view line, RunRecord& run) {
  if (const auto step = number_behind(line, "opt_step=")) {
    const auto loss = number_behind(line.substr(line.find("opt_step=")), "loss=");
    if (!loss || !(*step >= 0)) return false;
    run.metrics.add("train", static_cast<std::int64_t>(*step), {{"loss", *loss}});
    return true;
  }
  const std::size_t at = line.find("] step ");
  const auto step = number_behind(line, "] step ");
  if (!step || !(*step >= 0)) return false;
  const std::string_view rest = line.substr(at);
  constexpr std::pair<std::string_view, const char*> kMarks[] = {{"  loss ", "loss"},
                                                                 {"  kl ", "kl"},
                                                                 {"  lr ", "lr"},
                                                                 {"  grad ", "grad_norm"},
                                                                 {"  data wait ", "data_wait_s"}};
  RunMetrics::Row row;
  if (const auto loss = number_behind(rest, "  eval ")) {
    run.metrics.add("eval", static_cast<std::int64_t>(*step), {{"loss", *loss}});
    return true;
  }
  for (const auto& [mark, key] : kMarks) {
    if (const auto value = number_behind(rest, mark)) row.emplace_back(key, *value);
  }
  if (row.empty()) return false;
  run.metrics.add("train", static_cast<std::int64_t>(*step), row);
  return true;
}

template <class Act>
void each_line(std::string_view text, const Act& act) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    act(text.substr(0, end), end < text.size());
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

std::vector<std::string_view> csv_cells(std::string_view line) {
  std::vector<std::string_view> cells;
  while (true) {
    const std::size_t end = line.find_first_of(kSeparators);
    cells.push_back(trimmed(line.substr(0, end)));
    if (end == std::string_view::npos) return cells;
    line.remove_prefix(end + 1);
  }
}

std::vector<std::string_view> csv_header(std::string_view text, std::size_t& behind) {
  const char* const begin = text.data();
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::vector<std::string_view> cells = csv_cells(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (cells.size() < 2 || std::ranges::find(cells, "step") == cells.end()) continue;
    behind = static_cast<std::size_t>(text.data() - begin);
    return cells;
  }
  return {};
}

void read_csv(std::string_view text, RunRecord& run) {
  std::size_t behind = 0;
  const std::vector<std::string_view> names = csv_header(text, behind);
  if (names.empty()) return;
  const auto step_at = static_cast<std::size_t>(std::ranges::find(names, "step") - names.begin());
  std::vector<Column> columns;
  std::ranges::transform(names, std::back_inserter(columns), column_of);
  each_line(text.substr(behind), [&](std::string_view line, bool ended) {
    if (trimmed(line).empty() || line.front() == '#') return;
    const std::vector<std::string_view> cells = csv_cells(line);
    const auto step = cells.size() > step_at ? step_of(cells[step_at]) : std::nullopt;
    if (!ended && cells.size() < columns.size()) return;  // torn, and its last number may be too
    if (!step) {
      run.unread_lines += ended && csv_cells(line) != names ? 1 : 0;
      return;
    }
    RunMetrics::Row train, eval, other;
    for (std::size_t i = 0; i < std::min(cells.size(), columns.size()); ++i) {
      const auto value = number(cells[i]);
      if (i == step_at || !value) continue;
      const std::string& kind = columns[i].kind;
      (kind.empty() ? other : kind == "eval" ? eval : train).emplace_back(columns[i].key, *value);
    }
    if (!eval.empty()) run.metrics.add("eval", *step, eval);
    if (train.empty() && !eval.empty()) return;  // its learning rate stands in the rows of the steps too
    train.insert(train.end(), other.begin(), other.end());
    run.metrics.add("train", *step, train);
  });
}

void read_trainlog(std::string_view text, RunRecord& run) {
  each_line(text, [&](std::string_view line, bool ended) {
    if (ended) read_people_line(line, run);
  });
}

std::optional<LogSource> kind_of_log(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return LogSource::automatic;
  if (text[first] == '{') {
    const std::string_view line = text.substr(first, text.find('\n', first) - first);
    // The first line of JSON Lines is whole, that of a file of one object is not.
    const std::size_t last = line.find_last_not_of(" \t\r");
    const bool one_object = last == 0 || text.find("\"log_history\"") != std::string_view::npos;
    return one_object ? LogSource::trainer : LogSource::jsonl;
  }
  std::size_t behind = 0;
  if (!csv_header(text, behind).empty()) return LogSource::csv;
  RunRecord probe;
  read_trainlog(text, probe);
  if (!probe.metrics.empty()) return LogSource::trainlog;
  return std::nullopt;
}

}  // namespace anemll
