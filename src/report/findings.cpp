#include "src/report/internal/findings.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/printable.hpp"
#include "src/runs/run_status.hpp"
#include "src/runs/state_folder.hpp"

#include <algorithm>
#include <set>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

namespace anemll {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kLargest = 64 << 20;  // bytes of a report that is read
constexpr const char* kWhatIs =
    "name the --output-dir of anemll_train, the folder of anemll_init or anemll_snap, the result of "
    "anemll_eval --output score.json, or the OUT of a recipe";

/// Lines of text, without their ends.
template <class Take>
void each_line(const std::string& text, const Take& take) {
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    while (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) take(line);
  }
}

ReportJson parsed(const std::string& text) {
  return ReportJson::parse(text, nullptr, false);
}

/// Nothing for a file that is unreadable or no text, nor, which is told, for one that is too large.
std::optional<std::string> small_text(const fs::path& file) {
  std::error_code none;
  const std::uintmax_t bytes = fs::file_size(file, none);
  if (none) return std::nullopt;
  if (bytes > kLargest) {
    log_warning(strf("%s has more than %llu MiB and is left out", printable(file.string()).c_str(),
                     static_cast<unsigned long long>(kLargest >> 20)));
    return std::nullopt;
  }
  try {
    return read_input_text(file);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string name_of_folder(const fs::path& path) {
  const fs::path clean = fs::absolute(path).lexically_normal();
  return (clean.filename().empty() ? clean.parent_path() : clean).filename().string();
}

class Search {
 public:
  explicit Search(Findings& out) : out_(out) {}

  void look(const fs::path& run) {
    if (!has_name(run)) throw_data("no such file or folder", run.string(), kWhatIs);
    const std::size_t before = count();
    if (fs::is_directory(run)) {
      recipe(run);
      folder(run, name_of_folder(run));
      for (const fs::path& below : parts_of(run)) folder(below, below.filename().string());
    } else if (!file(run, run.stem().string(), true)) {
      throw_data("is no result that a report can tell of", run.string(), kWhatIs);
    }
    if (count() == before) throw_data("holds nothing that a report can tell of", run.string(), kWhatIs);
  }

 private:
  std::size_t count() const {
    return out_.trainings.size() + out_.scores.size() + out_.starts.size() + out_.snaps.size() +
           out_.answers.size() + (out_.recipe ? 1 : 0);
  }

  /// The folders in it, in the order of the recipe's stages, then by name. What an earlier run left is no
  /// part.
  std::vector<fs::path> parts_of(const fs::path& run) const {
    std::vector<std::string> stages;
    if (out_.recipe && out_.recipe->folder == run) {
      for (const FoundStage& stage : out_.recipe->stages) stages.push_back(stage.name);
    }
    const auto place = [&](const fs::path& part) {
      return std::ranges::find(stages, part.filename().string()) - stages.begin();
    };
    std::vector<fs::path> parts;
    for (const auto& entry : fs::directory_iterator(run)) {
      const std::string name = entry.path().filename().string();
      if (entry.is_directory() && !name.starts_with("earlier-") && name != "state" && name != "stages")
        parts.push_back(entry.path());
    }
    std::ranges::sort(parts, [&](const fs::path& a, const fs::path& b) {
      return std::pair(place(a), a) < std::pair(place(b), b);
    });
    return parts;
  }

  void folder(const fs::path& path, const std::string& name) {
    training(path, name);
    std::vector<fs::path> files;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(path, none)) {
      const std::string end = entry.path().extension().string();
      if ((end == ".json" || end == ".jsonl") && entry.is_regular_file(none)) files.push_back(entry.path());
    }
    std::ranges::sort(files);
    for (const fs::path& one : files) file(one, name, false);
  }

  void training(const fs::path& path, const std::string& name) {
    const auto log = find_log(path, LogSource::automatic);
    if (!log) return;
    try {
      add_training(*log, path, name);
    } catch (const Error& error) {  // some other program's table
      log_warning(printable(log->string()) + " is left out: " + error.problem());
    }
  }

  void add_training(const fs::path& log, const fs::path& path, const std::string& name) {
    FoundTraining found{read_log(log), path, {}, {}};
    if (found.record.metrics.empty()) {
      log_warning(printable(log.string()) + ": no row yet, its curves are left out");
      return;
    }
    found.record.name = name;
    FoundAnswers samples{name, true, {}};
    if (log.filename() == "metrics.jsonl")  // of any size, as its curves
      each_line(read_input_text(log), [&](const std::string& line) { row(line, found, samples); });
    if (!samples.answers.empty()) out_.answers.push_back(std::move(samples));
    if (const auto state = newest_state(path)) {
      if (const auto text = small_text(state->path / "trainer.json"))
        found.options = field_of(parsed(*text), "options");
    }
    found.hosts = hosts_of(found.record, path);
    out_.trainings.push_back(std::move(found));
  }

  /// Of all programs that had a part in the run.
  static std::vector<std::string> hosts_of(const RunRecord& record, const fs::path& path) {
    std::vector<std::string> hosts = look_at_run(path, {}).hosts;
    for (const RunStart& start : record.starts) {
      for (const std::string& host : start.hosts) hosts.push_back(printable(host));
    }
    std::ranges::sort(hosts);
    hosts.erase(std::ranges::unique(hosts).begin(), hosts.end());
    return hosts;
  }

  static void row(const std::string& line, FoundTraining& found, FoundAnswers& samples) {
    ReportJson row = parsed(line);
    const std::string kind = text_of(row, "kind");
    if (kind == "layers") found.layers = std::move(row);
    if (kind != "eval") return;
    if (found.first_evaluation.is_null()) found.first_evaluation = row;
    if (found.best_evaluation.is_null() || field_of(row, "new_best") == true) found.best_evaluation = row;
    const double step = number_of(row, "step");
    for (const ReportJson& sample : list_of(row, "samples"))
      samples.answers.push_back({std::isfinite(step) ? static_cast<std::int64_t>(step) : 0,
                                 text_of(sample, "prompt"), text_of(sample, "answer")});
  }

  /// False for a file that is none of ours.
  bool file(const fs::path& path, const std::string& name, bool named) {
    // A log of ours is of any size, and nothing else.
    if (path.filename() == "metrics.jsonl") return named && log(path);
    const auto text = small_text(path);
    if (!text) return false;
    if (path.extension() == ".jsonl") {
      if (answers(*text, path)) return true;
    } else {
      const ReportJson content = parsed(*text);
      const auto take = [&](std::vector<FoundJson>& list) {
        list.push_back({name, path, content});
        return true;
      };
      if (field_of(content, "models").is_array() && field_of(content, "pairs").is_array())
        return take(out_.scores);
      if (field_of(content, "blocks").is_array() && field_of(content, "holdout").is_array())
        return take(out_.starts);
      if (field_of(content, "consumers").is_object()) return take(out_.snaps);
    }
    if (!named || (path.extension() == ".json" && path.filename() != "trainer_state.json")) return false;
    return log(path);
  }

  /// A training of which a file of figures was named.
  bool log(const fs::path& path) {
    const std::size_t before = out_.trainings.size();
    add_training(path, path.parent_path().empty() ? "." : path.parent_path(),
                 name_of_folder(path.parent_path()));
    return out_.trainings.size() > before;
  }

  /// Answers to prompts: anemll_infer --batch, or the samples of a training, which name their step.
  bool answers(const std::string& text, const fs::path& path) {
    FoundAnswers found;
    bool all = true;
    each_line(text, [&](const std::string& line) {
      if (!all) return;
      const ReportJson row = parsed(line);
      const ReportJson& prompt = field_of(row, "prompt");
      const ReportJson& answer = field_of(row, "answer");
      all = prompt.is_string() && answer.is_string();
      if (!all) return;
      found.by_step = field_of(row, "step").is_number();
      const double step = number_of(row, "step");
      found.answers.push_back({std::isfinite(step) ? static_cast<std::int64_t>(step) : 0,
                               prompt.get<std::string>(), answer.get<std::string>()});
    });
    if (!all || found.answers.empty()) return false;
    std::string name = found.by_step ? name_of_folder(path.parent_path()) : path.stem().string();
    if (name.starts_with("answers_")) name.erase(0, std::string_view("answers_").size());
    found.name = std::move(name);
    out_.answers.push_back(std::move(found));
    return true;
  }

  static std::map<std::string, std::string> facts_of(const fs::path& file) {
    std::map<std::string, std::string> facts;
    if (const auto text = small_text(file))
      each_line(*text, [&](const std::string& line) {
        const std::size_t equal = line.find('=');
        if (equal != std::string::npos) facts.emplace(line.substr(0, equal), line.substr(equal + 1));
      });
    return facts;
  }

  void recipe(const fs::path& run) {
    std::error_code none;
    std::vector<std::pair<fs::file_time_type, fs::path>> done;
    for (const auto& entry : fs::directory_iterator(run / "stages", none)) {
      if (entry.path().extension() == ".done") done.emplace_back(entry.last_write_time(none), entry.path());
    }
    if (done.empty()) return;
    FoundRecipe found{run, facts_of(run / "stages" / "recipe"), {}};
    // In the order of the recipe where it is known, else in that of their ends.
    std::istringstream listed(found.fact("stages"));
    std::vector<std::string> names;
    for (std::string name; listed >> name;) names.push_back(name);
    const auto place = [&](const fs::path& file) {
      return std::ranges::find(names, file.stem().string()) - names.begin();
    };
    std::ranges::sort(done, [&](const auto& a, const auto& b) {
      return std::pair(place(a.second), a) < std::pair(place(b.second), b);
    });
    for (const auto& [time, path] : done) {
      if (!names.empty() && std::ranges::find(names, path.stem().string()) == names.end()) continue;
      auto facts = facts_of(path);
      const auto number = [&](const char* key) { return std::strtoll(facts[key].c_str(), nullptr, 10); };
      found.stages.push_back({path.stem().string(), facts["says"], facts["command"], number("seconds"),
                              number("attempts"),
                              static_cast<std::uint64_t>(std::max(0LL, number("bytes")))});
    }
    if (!out_.recipe) out_.recipe = std::move(found);
  }

  Findings& out_;
};

}  // namespace

std::string FoundRecipe::fact(const std::string& name) const {
  const auto found = facts.find(name);
  return found == facts.end() ? std::string() : found->second;
}

Findings find_reported(std::span<const fs::path> runs) {
  Findings found;
  Search search(found);
  for (const fs::path& run : runs) {
    search.look(run);
    found.runs.push_back(run);
  }
  // Runs with one name are told apart by the folders above.
  std::vector<RunRecord> records;
  for (FoundTraining& training : found.trainings) records.push_back(std::move(training.record));
  name_apart(records);
  for (std::size_t i = 0; i < records.size(); ++i) found.trainings[i].record = std::move(records[i]);
  return found;
}

}  // namespace anemll
