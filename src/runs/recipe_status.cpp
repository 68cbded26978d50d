// The files of a recipe are those of launch/stages.sh and launch/report.sh.
#include "src/runs/recipe_status.hpp"

#include "anemll/core/file.hpp"
#include "src/core/lock_holder.hpp"
#include "src/runs/run_record.hpp"

#include <exception>
#include <sstream>
#include <string_view>
#include <system_error>

namespace anemll {
namespace fs = std::filesystem;
namespace {

/// The log that look_at_run reads.
std::optional<fs::path> log_of(const fs::path& folder) {
  const auto rows = find_log(folder, LogSource::jsonl);
  return rows ? rows : find_log(folder, LogSource::csv);
}

/// What the file says behind NAME=; nothing where it is not there, or is being replaced.
std::optional<std::string> fact(const fs::path& file, std::string_view name) {
  try {
    std::istringstream lines(read_text(file));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(name) && line.substr(name.size()).starts_with('='))
        return line.substr(name.size() + 1);
    }
  } catch (const std::exception&) {
  }
  return std::nullopt;
}

std::optional<fs::path> newest_training(const fs::path& out) {
  std::optional<fs::path> newest;
  fs::file_time_type written;
  std::error_code none;
  for (auto at = fs::directory_iterator(out, none); at != fs::directory_iterator(); at.increment(none)) {
    const fs::path& part = at->path();
    const bool is_part = at->is_directory(none) && !part.filename().string().starts_with("earlier-");
    const auto log = is_part ? log_of(part) : std::nullopt;
    if (!log) continue;
    const fs::file_time_type time = fs::last_write_time(*log, none);
    if (!newest || time > written || (time == written && part > *newest)) {
      newest = part;
      written = time;
    }
  }
  return newest;
}

/// The stage that has begun: its count of starts goes when it is done.
std::string begun_stage(const fs::path& stages) {
  std::error_code none;
  for (auto at = fs::directory_iterator(stages, none); at != fs::directory_iterator(); at.increment(none)) {
    if (at->path().extension() == ".started") return at->path().stem().string();
  }
  return {};
}

/// The words of the recipe are written behind its last stage. They stay when a stage begins anew.
bool all_done(const fs::path& stages) {
  const auto names = fact(stages / "recipe", "stages");
  if (!names) return false;
  std::istringstream words(*names);
  std::error_code none;
  for (std::string name; words >> name;) {
    if (!fs::exists(stages / (name + ".done"), none)) return false;
  }
  return true;
}

}  // namespace

std::optional<RecipeStatus> look_at_recipe(const fs::path& folder) {
  const fs::path stages = folder / "stages";
  std::error_code none;
  if (!fs::is_directory(stages, none) || log_of(folder)) return std::nullopt;
  RecipeStatus status;
  status.training = newest_training(folder);
  status.stage = begun_stage(stages);
  status.over = status.stage.empty() && all_done(stages);
  status.held = lock_holder(stages / "lock").has_value();
  return status;
}

}  // namespace anemll
