// Rows of training_log.csv and lines of metrics.jsonl: their text, and which of them a resume removes.
#include "anemll/core/metrics_log.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"

#include <charconv>
#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

constexpr std::string_view kHeader = "step,train_loss,eval_loss,lr,elapsed_sec\r\n";

/// As Python prints floats: no sign on nan.
std::string number(const char* format, double value) {
  if (std::isnan(value)) return "nan";
  char text[400];  // %.6f of the largest double has 309 digits before the point
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string csv_line(const CsvRow& row) {
  std::string text = std::to_string(row.step) + ',';
  if (row.train_loss) text += number("%.6f", *row.train_loss);
  text += ',';
  if (row.eval_loss) text += number("%.6f", *row.eval_loss);
  return text + ',' + number("%.2e", row.lr) + ',' + number("%.1f", row.elapsed_s) + "\r\n";
}

std::optional<std::int64_t> csv_step(std::string_view line) {
  std::int64_t step = 0;
  const auto [end, code] = std::from_chars(line.data(), line.data() + line.size(), step);
  if (code != std::errc() || end == line.data() + line.size() || *end != ',') return std::nullopt;
  return step;
}

enum class Found { step, none, unreadable };

/// Keeps the lines for which `find_step` gives no later step; rewrites the file only if something goes.
template <class FindStep>
void cut(LineFile& file, std::int64_t step, FindStep&& find_step) {
  const std::string all = file.content();
  std::string kept;
  std::size_t unreadable = 0;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = all.find('\n', at);
    if (end == std::string::npos) break;  // a half-written line
    const std::string_view line(all.data() + at, end + 1 - at);
    std::int64_t of_line = 0;
    const Found found = find_step(line, of_line);
    unreadable += found == Found::unreadable ? 1 : 0;
    if (found != Found::step || of_line <= step) kept += line;
    at = end + 1;
  }
  if (unreadable > 0) {
    log_warning(file.path().string() + ": " + std::to_string(unreadable) +
                " unreadable lines are kept as they are");
  }
  if (kept.size() != all.size()) file.replace(kept);
}

}  // namespace

CsvLog::CsvLog(std::filesystem::path path, LogStart start) : file_(std::move(path), start) {
  const std::string all = file_.content();
  if (all.empty()) {
    file_.write(kHeader);
    return;
  }
  std::string_view first(all.data(), std::min(all.find('\n'), all.size()));
  if (first.ends_with('\r')) first.remove_suffix(1);
  if (first == kHeader.substr(0, kHeader.size() - 2)) return;
  throw_data("the first line is '" + std::string(first) + "', not the header of a training log",
             file_.path().string(), "move the file away or choose another output folder");
}

void CsvLog::write(const CsvRow& row) {
  file_.write(csv_line(row));
}

void CsvLog::truncate_after(std::int64_t step) {
  cut(file_, step, [header = true](std::string_view line, std::int64_t& of_line) mutable {
    if (std::exchange(header, false)) return Found::none;
    const std::optional<std::int64_t> value = csv_step(line);
    of_line = value.value_or(0);
    return value ? Found::step : Found::unreadable;
  });
}

JsonLine& JsonLine::add_json(std::string_view key, std::string_view json) {
  body_ += body_.empty() ? '{' : ',';
  body_ += nlohmann::json(key).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  body_ += ':';
  body_ += json;
  return *this;
}

JsonLine& JsonLine::add(std::string_view key, double value) {
  return add_json(key, std::isfinite(value) ? number("%.9g", value) : "null");
}

JsonLine& JsonLine::add(std::string_view key, std::string_view value) {
  return add_json(key, nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

JsonlLog::JsonlLog(std::filesystem::path path, LogStart start) : file_(std::move(path), start) {}

void JsonlLog::write(const JsonLine& line) {
  file_.write(line.text() + '\n');
}

void JsonlLog::truncate_after(std::int64_t step) {
  cut(file_, step, [](std::string_view line, std::int64_t& of_line) {
    const nlohmann::json object = nlohmann::json::parse(line, nullptr, false);
    if (!object.is_object()) return Found::unreadable;
    const auto it = object.find("step");
    if (it == object.end() || !it->is_number()) return Found::none;
    of_line = it->get<std::int64_t>();
    return Found::step;
  });
}

}  // namespace anemll
