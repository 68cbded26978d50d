#include "src/runs/run_record.hpp"

#include "anemll/core/error.hpp"
#include "src/core/content_kind.hpp"
#include "src/runs/internal/log_text.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <system_error>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr const char* kWhatRunsLeave =
    "name the --output-dir of a run (metrics.jsonl, training_log.csv), or a log of it";

bool is_file(const fs::path& path) {
  std::error_code none;
  return fs::is_regular_file(path, none);
}

/// Names in the folder that begin with `front` and end with `back`.
std::vector<fs::path> named(const fs::path& folder, std::string_view front, std::string_view back) {
  std::vector<fs::path> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(front) && name.ends_with(back)) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

std::optional<fs::path> find_csv(const fs::path& folder) {
  for (const char* name : {"training_log.csv", "loss.csv"}) {
    if (is_file(folder / name)) return folder / name;
  }
  const std::vector<fs::path> rotated = named(folder, "loss_prev_", ".csv");
  if (rotated.empty()) return std::nullopt;
  return rotated.back();
}

std::optional<fs::path> find_trainer_state(const fs::path& folder) {
  const auto number = [](const fs::path& checkpoint) {
    const std::string name = checkpoint.filename().string();
    return std::strtoll(name.c_str() + name.find('-') + 1, nullptr, 10);
  };
  std::optional<fs::path> newest;
  long long step = -1;
  for (const fs::path& checkpoint : named(folder, "checkpoint-", "")) {
    if (!is_file(checkpoint / "trainer_state.json") || number(checkpoint) <= step) continue;
    newest = checkpoint / "trainer_state.json";
    step = number(checkpoint);
  }
  return newest;
}

std::string name_of_run(const fs::path& file) {
  const fs::path whole = fs::absolute(file).lexically_normal();
  const std::string name = whole.filename().string();
  for (const char* usual :
       {"metrics.jsonl", "training_log.csv", "loss.csv", "train.log", "trainer_state.json"}) {
    if (name == usual && !whole.parent_path().filename().empty())
      return whole.parent_path().filename().string();
  }
  return whole.stem().string();
}

[[noreturn]] void no_log(const fs::path& file, const std::string& wanted) {
  throw_data("no " + wanted, file.string(), kWhatRunsLeave);
}

}  // namespace

std::optional<fs::path> find_log(const fs::path& folder, LogSource source) {
  switch (source) {
    case LogSource::automatic:
      for (const LogSource each :
           {LogSource::jsonl, LogSource::csv, LogSource::trainlog, LogSource::trainer}) {
        if (auto file = find_log(folder, each)) return file;
      }
      return std::nullopt;
    case LogSource::jsonl:
      return is_file(folder / "metrics.jsonl") ? std::optional(folder / "metrics.jsonl") : std::nullopt;
    case LogSource::csv:
      return find_csv(folder);
    case LogSource::trainlog:
      return is_file(folder / "train.log") ? std::optional(folder / "train.log") : std::nullopt;
    case LogSource::trainer:
      return find_trainer_state(folder);
  }
  return std::nullopt;
}

RunRecord read_log(const fs::path& file, LogSource source) {
  RunRecord run;
  run.file = file;
  run.name = name_of_run(file);
  const std::string text = read_input_text(file, "a training log");
  const std::optional<LogSource> kind = kind_of_log(text);
  if (kind == LogSource::automatic) return run;
  if (!kind)
    no_log(file, "training log: neither JSON lines, nor a table with a column step, nor lines of steps");
  if (source != LogSource::automatic && source != *kind)
    no_log(file, "log of the kind --source " + choice_name(source) + ", but " + choice_name(*kind));
  switch (*kind) {
    case LogSource::automatic:
      break;
    case LogSource::jsonl:
      read_jsonl(text, run);
      break;
    case LogSource::csv:
      read_csv(text, run);
      break;
    case LogSource::trainlog:
      read_trainlog(text, run);
      break;
    case LogSource::trainer:
      if (!read_trainer_state(text, run)) no_log(file, "trainer_state.json with a list log_history");
      break;
  }
  if (run.metrics.empty() && run.unread_lines > 0) no_log(file, "rows with a number step in the log");
  return run;
}

RunRecord read_run(const fs::path& path, LogSource source) {
  std::error_code none;
  if (!fs::exists(path, none)) throw_data("no such file or folder", path.string(), kWhatRunsLeave);
  fs::path file = path;
  if (fs::is_directory(path, none)) {
    const auto found = find_log(path, source);
    if (!found) {
      const std::string wanted =
          source == LogSource::automatic ? "training log" : "log of --source " + choice_name(source);
      no_log(path, wanted + " in the folder");
    }
    file = *found;
  }
  RunRecord run = read_log(file, source);
  if (run.metrics.empty() && source == LogSource::automatic && fs::is_directory(path, none)) {
    // A run that begins may have written to one log and not yet to the other.
    if (const auto table = find_csv(path); table && *table != file) run = read_log(*table);
  }
  if (run.metrics.empty())
    throw_data("no rows yet", file.string(),
               "anemll_watch waits for the first one, which --logging-steps decides");
  return run;
}

void name_apart(std::vector<RunRecord>& runs) {
  std::vector<fs::path> folders;
  for (const RunRecord& run : runs)
    folders.push_back(fs::absolute(run.file).lexically_normal().parent_path());
  // Each round puts one folder more in front of every name that stands twice.
  for (int round = 0; round < 32; ++round) {
    std::multiset<std::string> names;
    for (const RunRecord& run : runs) names.insert(run.name);
    bool changed = false;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (names.count(runs[i].name) < 2 || !folders[i].has_relative_path()) continue;
      const std::string folder = folders[i].filename().string();
      folders[i] = folders[i].parent_path();
      if (round == 0 && folder == runs[i].name) {  // the name is that of the folder
        if (!folders[i].has_relative_path()) continue;
        runs[i].name = folders[i].filename().string() + '/' + runs[i].name;
        folders[i] = folders[i].parent_path();
      } else {
        runs[i].name = folder + '/' + runs[i].name;
      }
      changed = true;
    }
    if (!changed) return;
  }
}

}  // namespace anemll
