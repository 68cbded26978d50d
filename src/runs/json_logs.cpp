// Logs in JSON: metrics.jsonl, one object a line, and trainer_state.json.
#include "src/runs/internal/log_text.hpp"

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using nlohmann::json;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::optional<double> number_in(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::optional<std::int64_t> step_in(const json& object) {
  const auto value = number_in(object, "step");
  if (!value || !(*value >= 0) || *value > 9e15) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

std::string text_in(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::vector<std::string> texts_in(const json& object, const char* key) {
  std::vector<std::string> texts;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return texts;
  for (const json& one : *found) {
    if (one.is_string()) texts.push_back(one.get<std::string>());
  }
  return texts;
}

/// What tells one element of a list from the others: its name, of a path the last part.
std::optional<std::string> name_of(const json& element) {
  for (const char* key : {"name", "layer", "block"}) {
    const auto found = element.find(key);
    if (found == element.end()) continue;
    if (found->is_number_integer()) return std::to_string(found->get<std::int64_t>());
    if (!found->is_string()) continue;
    const std::string& text = found->get_ref<const std::string&>();
    const std::size_t slash = text.rfind('/');
    const bool has_last_part = slash != std::string::npos && slash + 1 < text.size();
    return has_last_part ? text.substr(slash + 1) : text;
  }
  return std::nullopt;
}

void flatten(const std::string& key, const json& value, RunMetrics::Row& row);

void flatten_list(const std::string& key, const json& list, RunMetrics::Row& row) {
  std::set<std::string> seen;
  for (const json& element : list) {
    if (!element.is_object()) continue;
    auto name = name_of(element);
    if (!name) continue;
    const auto whole = element.find("name");  // two files of one name are told apart by their paths
    if (!seen.insert(*name).second && whole != element.end() && whole->is_string())
      *name = whole->get<std::string>();
    for (const auto& [inner, value] : element.items()) {
      if (inner != "block" && inner != "layer") flatten(key + '/' + *name + '/' + inner, value, row);
    }
  }
}

void flatten(const std::string& key, const json& value, RunMetrics::Row& row) {
  if (value.is_number()) {
    row.emplace_back(key, value.get<double>());
  } else if (value.is_boolean()) {
    row.emplace_back(key, value.get<bool>() ? 1 : 0);
  } else if (value.is_null()) {
    row.emplace_back(key, kNaN);
  } else if (value.is_object()) {
    for (const auto& [inner, deeper] : value.items()) flatten(key + '/' + inner, deeper, row);
  } else if (value.is_array()) {
    flatten_list(key, value, row);
  }
}

RunClosing closing_of(const json& summary) {
  RunClosing closing;
  closing.step = step_in(summary).value_or(0);
  closing.initial_loss = number_in(summary, "initial_loss");
  closing.final_loss = number_in(summary, "final_loss");
  closing.best_loss = number_in(summary, "best_loss");
  if (const auto step = number_in(summary, "best_step")) closing.best_step = static_cast<std::int64_t>(*step);
  closing.elapsed_s = number_in(summary, "elapsed_s");
  closing.ended_by = text_in(summary, "ended_by");
  return closing;
}

RunStop stop_of(const json& end, std::int64_t step) {
  RunStop stop;
  stop.step = step;
  stop.exit_code = static_cast<std::int64_t>(number_in(end, "exit_code").value_or(0));
  stop.error = text_in(end, "error");
  return stop;
}

/// False for a line that is no row.
bool read_row(std::string_view line, RunRecord& run) {
  const json object = json::parse(line.begin(), line.end(), nullptr, false);
  if (!object.is_object()) return false;
  const auto kind = object.find("kind");
  const std::string kind_text =
      kind != object.end() && kind->is_string() ? kind->get<std::string>() : "train";
  if (kind_text == "summary") {
    const auto summary = object.find("summary");
    if (summary == object.end() || !summary->is_object()) return false;
    run.closing = closing_of(*summary);
    run.stop.reset();
    return true;
  }
  if (kind_text == "start") {
    RunStart start{texts_in(object, "ran_on"), text_in(object, "processor"), text_in(object, "build"),
                   texts_in(object, "command")};
    if (!start.hosts.empty()) run.starts.push_back(std::move(start));  // else somebody else's note
    return true;
  }
  const auto step = step_in(object);
  if (!step) return kind != object.end();  // a note of some other kind
  run.closing.reset();                     // it went on
  run.stop.reset();
  if (kind_text == "end") {
    run.stop = stop_of(object, *step);
    return true;
  }
  RunMetrics::Row row;
  const bool many = kind_text == "layers";  // layers/NAME/KEY, not layers/layers/NAME/KEY
  for (const auto& [key, value] : object.items()) {
    if (key == "kind" || key == "step") continue;
    if (many && key == "layers" && value.is_array()) {
      RunMetrics::Row inner;
      flatten_list("", value, inner);
      for (auto& [name, figure] : inner) row.emplace_back(name.substr(1), figure);
      continue;
    }
    flatten(key, value, row);
  }
  // The last step may be evaluated twice. The second time its weights are the best already.
  const auto best = run.metrics.last(kind_text + "/new_best");
  if (best && best->step == *step && best->value == 1) {
    for (auto& [key, value] : row) value = key == "new_best" ? 1 : value;
  }
  run.metrics.add(kind_text, *step, row);
  return true;
}

}  // namespace

void read_jsonl(std::string_view text, RunRecord& run) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos || line.front() == '#') continue;
    if (!read_row(line, run) && end != std::string_view::npos) ++run.unread_lines;
  }
}

bool read_trainer_state(std::string_view text, RunRecord& run) {
  const json object = json::parse(text.begin(), text.end(), nullptr, false);
  if (!object.is_object() || !object.contains("log_history") || !object["log_history"].is_array())
    return false;
  for (const json& entry : object["log_history"]) {
    const auto step = entry.is_object() ? step_in(entry) : std::nullopt;
    if (!step) {
      ++run.unread_lines;
      continue;
    }
    RunMetrics::Row train, eval;
    for (const auto& [key, value] : entry.items()) {
      if (key == "step" || !value.is_number()) continue;
      const bool of_eval = key.starts_with("eval_");
      (of_eval ? eval : train).emplace_back(of_eval ? key.substr(5) : key, value.get<double>());
    }
    const bool evaluates = !eval.empty();  // its epoch stands in the rows of the steps too
    run.metrics.add(evaluates ? "eval" : "train", *step, evaluates ? eval : train);
  }
  return true;
}

}  // namespace anemll
