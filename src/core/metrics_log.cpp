// Rows of training_log.csv and lines of metrics.jsonl: their text.
#include "src/core/metrics_log.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

/// As Python prints floats: no sign on nan.
std::string number(const char* format, double value) {
  return std::isnan(value) ? "nan" : strf(format, value);
}

std::string csv_line(const CsvRow& row) {
  std::string text = std::to_string(row.step) + ',';
  if (row.train_loss) text += number("%.6f", *row.train_loss);
  text += ',';
  if (row.eval_loss) text += number("%.6f", *row.eval_loss);
  return text + ',' + number("%.2e", row.lr) + ',' + number("%.1f", row.elapsed_s) + "\r\n";
}

}  // namespace

bool has_csv_header(std::string_view text) {
  const std::string_view names = kCsvHeader.substr(0, kCsvHeader.size() - 2);  // more columns may follow
  for (std::size_t at = text.find(names); at != std::string_view::npos; at = text.find(names, at + 1)) {
    const std::string_view before = text.substr(0, at);
    if (before.empty() || before.back() == '\n' || before == "\xEF\xBB\xBF") return true;
  }
  return false;
}

CsvLog::CsvLog(std::filesystem::path path, LogStart start) : file_(std::move(path), start) {
  const std::string all = file_.content();
  if (all.empty()) {
    file_.write(kCsvHeader);
    return;
  }
  if (has_csv_header(all)) return;
  std::string_view first(all.data(), std::min(all.find('\n'), all.size()));
  if (first.ends_with('\r')) first.remove_suffix(1);
  throw_data("the first line is '" + std::string(first) + "', not the header of a training log",
             file_.path().string(), "move the file away or choose another output folder");
}

void CsvLog::write(const CsvRow& row) {
  file_.write(csv_line(row));
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

}  // namespace anemll
