// See timeline.hpp. Events of all ranks count from the same moment, that of the system's clock, so that
// several files can be looked at together.
#include "src/train/internal/timeline.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using nlohmann::ordered_json;

constexpr std::array<std::string_view, kRunParts> kNames = {
    "start", "data", "forward", "head", "backward", "reduction", "update", "evaluation", "files"};
constexpr std::string_view kRest = "rest";
constexpr std::size_t kMostEvents = 500000;  // about 60 MB as text
constexpr double kShownShare = 0.0005;       // smaller ones round to 0.0%

double seconds_of(Timeline::Clock::duration length) {
  return std::chrono::duration<double>(length).count();
}

double microseconds_of(std::chrono::nanoseconds length) {
  return std::chrono::duration<double, std::micro>(length).count();
}

/// The path, or with a number behind its stem when something is there.
fs::path free_name(const fs::path& wanted) {
  fs::path name = wanted;
  for (int number = 2; fs::exists(fs::symlink_status(name)); ++number) {
    name = wanted;
    name.replace_filename(wanted.stem().string() + "-" + std::to_string(number) +
                          wanted.extension().string());
  }
  return name;
}

}  // namespace

std::string_view name_of(RunPart part) {
  return kNames.at(static_cast<std::size_t>(part));
}

Timeline::Span::Span(Timeline& timeline, RunPart part)
    : timeline_(timeline),
      part_(part),
      around_(std::exchange(timeline.innermost_, this)),
      began_(Clock::now()) {
  timeline_.tell();
}

Timeline::Span::~Span() {
  const Clock::duration whole = Clock::now() - began_;
  timeline_.add(part_, began_, whole, whole - within_);
  timeline_.innermost_ = around_;
  if (around_ != nullptr) around_->within_ += whole;
  timeline_.tell();
}

void Timeline::tell() const {
  if (!heard_) return;
  heard_(innermost_ != nullptr ? std::optional(innermost_->part_) : std::nullopt);
}

void Timeline::end_start() {
  const Clock::duration whole = Clock::now() - began_;
  add(RunPart::start, began_, whole, whole);
  tell();
}

void Timeline::keep_events(const fs::path& file, int rank, int ranks) {
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  if (!fs::is_directory(folder) || file.filename().empty())
    throw_usage("there is no folder for this file", "--trace " + file.string(),
                "make " + folder.string() + " first, or give another place");
  file_ = file;
  if (ranks > 1)
    file_.replace_filename(file.stem().string() + ".rank" + std::to_string(rank) + file.extension().string());
  rank_ = rank;
}

void Timeline::add(RunPart part, Clock::time_point began, Clock::duration whole, Clock::duration own) {
  spent_[static_cast<std::size_t>(part)] += own;
  if (file_.empty()) return;
  if (events_.size() < kMostEvents) {
    events_.push_back({began, whole, step_, part});
  } else {
    ++left_out_;
  }
}

double Timeline::seconds(RunPart part) const {
  return seconds_of(spent_[static_cast<std::size_t>(part)]);
}

double Timeline::wall_seconds() const {
  return seconds_of(Clock::now() - began_);
}

std::string Timeline::line() const {
  const double wall = std::max(wall_seconds(), 1e-9);
  std::string text = "time " + format_seconds(wall);
  double rest = 1;
  auto show = [&text, first = true](std::string_view name, double share) mutable {
    text += strf("%s %.*s %.1f%%", std::exchange(first, false) ? ":" : ",", static_cast<int>(name.size()),
                 name.data(), 100 * share);
  };
  for (std::size_t i = 0; i < kRunParts; ++i) {
    const double share = seconds_of(spent_[i]) / wall;
    if (share < kShownShare) continue;
    rest -= share;
    show(kNames[i], share);
  }
  show(kRest, std::max(rest, 0.0));
  return text;
}

std::string Timeline::json() const {
  ordered_json parts = ordered_json::object();
  double rest = wall_seconds();
  for (std::size_t i = 0; i < kRunParts; ++i) {
    const double seconds = seconds_of(spent_[i]);
    parts[std::string(kNames[i])] = seconds;
    rest -= seconds;
  }
  parts[std::string(kRest)] = std::max(rest, 0.0);
  return parts.dump();
}

std::string Timeline::trace_json() const {
  const auto origin =
      microseconds_of(std::chrono::duration_cast<std::chrono::nanoseconds>(began_at_.time_since_epoch()));
  const std::string process = "rank " + std::to_string(rank_);
  std::string text = R"({"displayTimeUnit":"ms","traceEvents":[)";
  text +=
      ordered_json{
          {"name", "process_name"}, {"ph", "M"}, {"pid", rank_}, {"tid", 0}, {"args", {{"name", process}}}}
          .dump();
  for (const Event& event : events_) {
    const std::string_view name = name_of(event.part);
    text += strf(
        ",\n{\"name\":\"%.*s\",\"ph\":\"X\",\"pid\":%d,\"tid\":0,\"ts\":%.3f,\"dur\":%.3f,"
        "\"args\":{\"step\":%lld}}",
        static_cast<int>(name.size()), name.data(), rank_, origin + microseconds_of(event.began - began_),
        microseconds_of(event.length), static_cast<long long>(event.step));
  }
  return text + "]}\n";
}

void Timeline::write() const {
  if (file_.empty()) return;
  try {
    const fs::path name = free_name(file_);
    write_file(name, trace_json());
    log_info("timeline: " + name.string());
    if (left_out_ > 0)
      log_info(strf("timeline: the last %lld events are left out", static_cast<long long>(left_out_)));
  } catch (const std::exception& e) {
    log_warning(std::string("the timeline is not written: ") + e.what());
  }
}

}  // namespace anemll
