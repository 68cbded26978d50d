#include "src/tracking/wandb_run.hpp"

#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/build_info.hpp"
#include "src/core/hash.hpp"
#include "src/core/local_time.hpp"
#include "src/core/shell_word.hpp"
#include "src/tracking/internal/wandb_frames.hpp"
#include "src/tracking/internal/wire.hpp"

#include <cmath>
#include <ctime>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;
using Items = std::vector<std::pair<std::string, std::string>>;

// Field numbers of wandb_internal.proto.
namespace kind {
constexpr int history = 2, summary = 3, files = 6, metric = 12, run = 17, exit = 18, header = 21,
              environment = 26;
}
namespace item {
constexpr int key = 1, nested_key = 2, value = 16;
}

std::string dumped(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// As Python's json module writes it, for which NaN is a number.
std::string number(double value) {
  constexpr double kWhole = 1e15;
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  if (value == std::floor(value) && std::abs(value) < kWhole) return strf("%.0f", value);
  return dumped(value);
}

Items items_of(std::span<const Metric> metrics) {
  Items items;
  for (const Metric& metric : metrics) items.emplace_back(metric.name, number(metric.value));
  return items;
}

WireMessage item_of(const std::string& key, const std::string& value) {
  return WireMessage().text(item::key, key).text(item::value, value);
}

WireMessage timestamp(double seconds) {
  constexpr double kNanos = 1e9;
  const double whole = std::floor(seconds);
  WireMessage time;
  time.integer(1, static_cast<std::int64_t>(whole));
  return time.integer(2, static_cast<std::int64_t>(std::floor((seconds - whole) * kNanos)));
}

fs::path log_of(const fs::path& folder, const std::string& id) {
  return folder / ("run-" + id + ".wandb");
}

fs::path new_folder(const fs::path& parent, const LogOrigin& origin) {
  const fs::path folder =
      parent / "wandb" /
      ("offline-run-" + local_time(static_cast<std::time_t>(origin.now()), "%Y%m%d_%H%M%S") + "-" +
       origin.id);
  fs::create_directories(folder / "files");
  fs::create_directories(folder / "logs");
  return folder;
}

json object_of(const std::string& text) {
  json object = json::parse(text, nullptr, false);
  return object.is_object() ? object : json::object();
}

}  // namespace

WandbRun::WandbRun(WandbSettings settings, Place place, RecordFile file, LogOrigin origin)
    : settings_(std::move(settings)),
      origin_(std::move(origin)),
      folder_(place.folder),
      place_(std::move(place)),
      file_(std::move(file)) {}

WandbRun::WandbRun(WandbSettings settings, LogOrigin origin)
    : settings_(std::move(settings)),
      origin_(std::move(origin)),
      folder_(new_folder(settings_.parent, origin_)),
      place_{folder_, origin_.id, origin_.now()},
      file_(log_of(folder_, origin_.id)) {
  begin();
}

std::optional<WandbRun> WandbRun::go_on(WandbSettings settings, const std::string& position,
                                        LogOrigin origin) {
  const json at = object_of(position);
  Place place;
  const std::string name = at.value("run", "");
  place.id = at.value("id", "");
  if (name.empty() || place.id.empty() || (name + place.id).find('/') != std::string::npos)
    return std::nullopt;
  place.folder = settings.parent / "wandb" / name;
  place.began = at.value("began", 0.0);
  place.records = at.value("records", std::int64_t{0});
  place.rows = at.value("rows", std::int64_t{0});
  place.summary = at.value("summary", place.summary);
  const auto bytes = at.value("bytes", std::uint64_t{0});
  const fs::path log = log_of(place.folder, place.id);
  const std::string mark = RecordFile::mark(log, bytes);
  if (mark.empty() || mark != at.value("mark", "")) return std::nullopt;
  RecordFile file(log, bytes);
  fs::remove(log.string() + ".synced");
  return WandbRun(std::move(settings), std::move(place), std::move(file), std::move(origin));
}

void WandbRun::begin() {
  file_.append(wandb_header());
  add(kind::header, WireMessage().message(1, WireMessage().text(1, "anemll").text(2, "0.70.0")));

  constexpr int kId = 1, kEntity = 2, kProject = 3, kConfig = 4, kName = 8, kHost = 13, kStart = 17;
  const json config = object_of(settings_.config);
  WireMessage updates;
  std::string yaml;
  for (const auto& [key, value] : config.items()) {
    updates.message(1, item_of(key, dumped(value)));
    yaml += key + ":\n    value: " + dumped(value) + "\n";  // JSON is YAML
  }
  WireMessage run;
  run.text(kId, place_.id);
  if (!settings_.entity.empty()) run.text(kEntity, settings_.entity);
  run.text(kProject, settings_.project).message(kConfig, updates).text(kName, settings_.name);
  run.text(kHost, origin_.host).message(kStart, timestamp(place_.began));
  add(kind::run, run);

  constexpr int kOs = 1, kStarted = 3, kProgram = 6, kEnvironmentHost = 12, kWriter = 199;
  WireMessage environment;
  environment.text(kOs, origin_.system).message(kStarted, timestamp(place_.began));
  environment.text(kProgram, settings_.program).text(kEnvironmentHost, origin_.host);
  add(kind::environment, environment.text(kWriter, place_.id));

  constexpr int kMetric = 1, kGlob = 2, kAxis = 4, kOptions = 6, kDefined = 3;
  const WireMessage defined = WireMessage().integer(kDefined, 1);
  if (!settings_.axis.empty())
    add(kind::metric, WireMessage().text(kMetric, settings_.axis).message(kOptions, defined));
  for (const std::string& group : settings_.groups)
    add(kind::metric,
        WireMessage().text(kGlob, group).text(kAxis, settings_.axis).message(kOptions, defined));

  write_file(folder_ / "files" / "config.yaml", yaml);
  const json metadata = {{"os", origin_.system},
                         {"host", origin_.host},
                         {"program", settings_.program},
                         {"version", build_info().version},
                         {"git", {{"commit", build_info().git}}}};
  write_file(folder_ / "files" / "wandb-metadata.json", metadata.dump(2) + "\n");
  sync();
}

void WandbRun::add(int kind, const WireMessage& content) {
  const WireMessage record = WireMessage().integer(1, place_.records + 1).message(kind, content);
  file_.append(wandb_frames(record.bytes(), file_.bytes()));
  ++place_.records;
}

double WandbRun::runtime_s() const {
  return origin_.now() - place_.began;
}

void WandbRun::add_summary(const Items& items) {
  WireMessage updates;
  for (const auto& [key, value] : items) {
    updates.message(1, item_of(key, value));
    place_.summary[key] = value;
  }
  updates.message(1, WireMessage()
                         .text(item::nested_key, "_wandb")
                         .text(item::nested_key, "runtime")
                         .text(item::value, number(std::floor(runtime_s()))));
  add(kind::summary, updates);
}

void WandbRun::log_items(Items items) {
  items.emplace_back("_step", std::to_string(place_.rows));
  items.emplace_back("_timestamp", number(origin_.now()));
  items.emplace_back("_runtime", number(runtime_s()));
  WireMessage row;
  for (const auto& [key, value] : items) row.message(1, item_of(key, value));
  row.message(2, WireMessage().integer(1, place_.rows));
  add(kind::history, row);
  ++place_.rows;
  add_summary(items);
}

void WandbRun::log(std::span<const Metric> metrics) {
  log_items(items_of(metrics));
}

void WandbRun::summarize(std::span<const Metric> metrics) {
  add_summary(items_of(metrics));
}

void WandbRun::table(const std::string& name, const TextTable& table, std::span<const Metric> beside) {
  const std::string content = dumped({{"columns", table.columns}, {"data", table.rows}});
  const std::string digest = sha256_hex(content);
  const std::string file = strf("media/table/%s_%lld_%s.table.json", name.c_str(),
                                static_cast<long long>(place_.rows), digest.substr(0, 20).c_str());
  fs::create_directories((folder_ / "files" / file).parent_path());
  write_file(folder_ / "files" / file, content);
  constexpr int kPath = 1, kType = 3, kMedia = 2;
  add(kind::files, WireMessage().message(1, WireMessage().text(kPath, file).integer(kType, kMedia)));
  Items items = items_of(beside);
  items.emplace_back(name, dumped({{"_type", "table-file"},
                                   {"path", file},
                                   {"sha256", digest},
                                   {"size", content.size()},
                                   {"ncols", table.columns.size()},
                                   {"nrows", table.rows.size()}}));
  log_items(std::move(items));
}

void WandbRun::sync() {
  file_.sync();
  std::string text;
  for (const auto& [key, value] : place_.summary)
    text += (text.empty() ? "{" : ", ") + dumped(key) + ": " + value;
  write_file(folder_ / "files" / "wandb-summary.json", text.empty() ? "{}" : text + "}");
}

void WandbRun::tell_begin() const {
  log_info("W&B run, offline; to see it grow: wandb beta sync --live " + shell_word(folder_.string()));
}

void WandbRun::end(int exit_code) {
  add(kind::exit, WireMessage().integer(1, exit_code).integer(2, static_cast<std::int64_t>(runtime_s())));
  sync();
}

void WandbRun::tell_end() const {
  log_info("upload: wandb sync " + shell_word(folder_.string()));
}

std::string WandbRun::position() const {
  return dumped({{"run", folder_.filename().string()},
                 {"id", place_.id},
                 {"bytes", file_.bytes()},
                 {"mark", RecordFile::mark(file_.path(), file_.bytes())},
                 {"began", place_.began},
                 {"records", place_.records},
                 {"rows", place_.rows},
                 {"summary", place_.summary}});
}

std::optional<double> WandbRun::summary(const std::string& metric) const {
  const auto found = place_.summary.find(metric);
  if (found == place_.summary.end()) return std::nullopt;
  const json value = json::parse(found->second, nullptr, false);
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

}  // namespace anemll
