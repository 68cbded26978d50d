#include "src/train/internal/state_store.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/formats/safetensors.hpp"
#include "src/core/hash.hpp"
#include "src/core/output_folder.hpp"
#include "src/train/internal/saved_state.hpp"

#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr std::size_t kKeep = 2;
constexpr const char* kFrozenDraft = "frozen.draft.safetensors";
constexpr const char* kBehind = "behind";  // in abandoned-<n>.moving: the step that the run goes back to
constexpr std::string_view kLeftovers[] = {
    "step_#.tmp", "step_#.tmp.tmp", "frozen.draft.safetensors", "frozen.draft.safetensors.tmp.#",
    "best.tmp.#", "latest.tmp.#"};

bool same_folder(const fs::path& a, const fs::path& b) {
  std::error_code code;
  return fs::equivalent(a, b, code) && !code;
}

/// What `latest` names; -1 when it names nothing, nothing when there is no such file.
std::optional<std::int64_t> latest_step(const fs::path& root) {
  if (!fs::is_regular_file(root / "latest")) return std::nullopt;
  std::string name = read_text(root / "latest");
  while (!name.empty() && std::isspace(static_cast<unsigned char>(name.back())) != 0) name.pop_back();
  return step_of(name).value_or(-1);
}

void write_latest(const fs::path& root, std::int64_t step) {
  write_file(root / "latest", state_folder_name(step) + "\n");
}

std::optional<SavedState> newest_in(const fs::path& root) {
  const std::optional<std::int64_t> latest = latest_step(root);
  const std::vector<fs::path> candidates = step_folders(root);
  if (candidates.empty()) {
    if (latest.value_or(-1) < 0) return std::nullopt;
    throw_data("the state that it names is gone, and there is no other", (root / "latest").string(),
               "put the folder back; or start without --resume, then what is there moves to earlier-1");
  }
  for (const fs::path& folder : candidates) {
    std::optional<SavedState> loaded;
    try {
      loaded = read_state_folder(folder);
    } catch (const Error& e) {
      log_warning(std::string("checkpoint passed over: ") + e.what());
      continue;
    }
    require_finite_state(*loaded);
    if (latest && *latest != loaded->step) {
      log_warning((root / "latest").string() + (*latest < 0 ? " names no state" : " names another state") +
                  "; the newest valid one is " + folder.filename().string() + ", which counts");
    }
    return loaded;
  }
  throw_data("none of the checkpoints is valid", root.string(),
             "start without --resume: what is there moves to earlier-1, whole");
}

/// state/best; an empty object when it is missing or damaged.
json words_of_best(const fs::path& root) {
  if (!fs::is_regular_file(root / "best")) return json::object();
  json words = json::parse(read_text(root / "best"), nullptr, false);
  const bool whole = words.is_object() && words.contains("step") && words["step"].is_number_integer() &&
                     words.contains("sha256") && words["sha256"].is_string();
  return whole ? words : json::object();
}

/// Ends a move that is prepared in `staging`.
void move_behind(const fs::path& root, const fs::path& staging, std::int64_t step) {
  for (const fs::path& folder : step_folders(root)) {
    if (*step_of(folder) > step) fs::rename(folder, staging / folder.filename());
  }
  if (step < 0) {
    fs::remove(root / "latest");
  } else {
    write_latest(root, step);
  }
  if (words_of_best(root).value("step", std::int64_t{-1}) > step) fs::remove(root / "best");
  fs::path place = staging;
  place.replace_extension();
  fs::rename(staging, place);
  sync_directory(root);
  fs::remove(place / kBehind);
}

}  // namespace

StateStore::StateStore(const fs::path& output_dir) : root_(output_dir / "state") {}

bool StateStore::has_states() const {
  return !step_folders(root_).empty();
}

void StateStore::recover() {
  if (!fs::is_directory(root_)) return;
  sweep(root_, kLeftovers);
  std::vector<fs::path> begun;
  for (const auto& entry : fs::directory_iterator(root_)) {
    const fs::path& path = entry.path();
    if (matches("abandoned-#.moving", path.filename().string())) begun.push_back(path);
    if (path.extension() == ".old" && fs::exists(root_ / path.stem())) fs::remove_all(path);
  }
  for (const fs::path& staging : begun) {
    if (fs::exists(staging / kBehind)) {
      move_behind(root_, staging, std::stoll(read_text(staging / kBehind)));
    } else {  // killed before any state moved: what was put there first stays there
      fs::path place = staging;
      place.replace_extension();
      fs::rename(staging, place);
    }
  }
}

void StateStore::save_frozen(std::span<const LazyTensor> tensors) {
  fs::create_directories(root_);
  require_space(root_, total_bytes(tensors));
  Draft draft(root_ / kFrozenDraft);
  write_safetensors(draft.path(), checked_finite(tensors, root_.string()));
  // Named by content, so that checkpoints of an earlier run in the same folder keep theirs.
  json entry = describe_file(draft.path());
  const std::string name = "frozen-" + entry["sha256"].get<std::string>().substr(0, 16) + ".safetensors";
  entry["name"] = name;
  draft.become(root_ / name);
  frozen_entry_ = entry.dump();
}

bool StateStore::owns(const SavedState& loaded) const {
  return same_folder(loaded.folder.parent_path(), root_);
}

void StateStore::adopt(const SavedState& loaded) {
  frozen_entry_ = loaded.frozen_entry;
  saved_step_ = loaded.step;
  if (owns(loaded)) return;
  fs::create_directories(root_);
  if (!same_folder(loaded.frozen_file.parent_path(), root_)) {
    require_space(root_, fs::file_size(loaded.frozen_file));
    Draft draft(root_ / kFrozenDraft);
    fs::copy_file(loaded.frozen_file, draft.path());
    sync_file(draft.path());
    draft.become(root_ / loaded.frozen_file.filename());
  }
  if (loaded.best && loaded.best->step != loaded.step) {
    const fs::path best = loaded.folder.parent_path() / state_folder_name(loaded.best->step);
    if (fs::exists(best / "manifest.json")) copy_state_folder(best, root_ / best.filename(), false);
  }
  copy_state_folder(loaded.folder, root_ / state_folder_name(loaded.step), false);
  write_best(loaded.best);
  write_latest(root_, loaded.step);
}

void StateStore::save(std::int64_t step, const Content& content) {
  const fs::path place = root_ / state_folder_name(step);
  const bool same_tensors = step == saved_step_ && fs::exists(place / "manifest.json");
  if (!same_tensors) require_space(root_, total_bytes(content.parameters) + total_bytes(content.optimizer));
  fs::path path = place;
  path += ".tmp";
  Draft draft(path);
  std::optional<BestState> best;
  json files = json::object();
  if (same_tensors) {
    copy_state_folder(place, path, true);  // shared files are replaced below, never written into
    files = manifest_of(path).at("files");
  } else {
    fs::create_directories(path);
    write_safetensors(path / kStateParts[0], checked_finite(content.parameters, place.string()));
    write_safetensors(path / kStateParts[1], checked_finite(content.optimizer, place.string()));
    for (const char* part : {kStateParts[0], kStateParts[1]}) files[part] = describe_file(path / part);
  }
  write_file(path / kStateParts[2], content.trainer_json);
  files[kStateParts[2]] = describe_file(path / kStateParts[2]);
  json manifest = {{"format", kStateFormat}, {"step", step}, {"files", files}};
  const json best_files =
      content.best_step == step
          ? files
          : manifest_of(root_ / state_folder_name(content.best_step)).value("files", json::object());
  if (best_files.contains(kStateParts[0])) {
    best = BestState{content.best_step, content.best_loss,
                     best_files[kStateParts[0]].at("sha256").get<std::string>()};
    manifest["best"] = best_json(*best);
  }
  manifest["frozen"] = json::parse(frozen_entry_);
  write_file(path / "manifest.json", manifest.dump(2) + "\n");
  fs::path old = place;
  old += ".old";
  fs::remove_all(old);
  if (fs::exists(place)) fs::rename(place, old);
  draft.become(place);
  saved_step_ = step;
  write_best(best);
  write_latest(root_, step);
  fs::remove_all(old);
  prune(step);
}

void StateStore::prune(std::int64_t step) const {
  std::size_t kept = 0;
  std::set<std::int64_t> bests;
  std::vector<fs::path> rest;
  for (const fs::path& folder : step_folders(root_)) {
    if (*step_of(folder) > step) continue;
    if (++kept > kKeep) {
      rest.push_back(folder);
    } else if (const auto best = best_of(manifest_of(folder))) {
      bests.insert(best->step);
    }
  }
  for (const fs::path& folder : rest) {
    if (bests.contains(*step_of(folder))) continue;
    fs::remove(folder / "manifest.json");  // first: what a kill leaves of the others is then no state
    fs::remove_all(folder);
  }
}

void StateStore::write_best(const std::optional<BestState>& best) const {
  if (!best) {
    fs::remove(root_ / "best");
    return;
  }
  json words = best_json(*best);
  words["state"] = state_folder_name(best->step);
  words["file"] = nullptr;
  const json before = words_of_best(root_);
  if (before.value("step", std::int64_t{-1}) == best->step && before.value("sha256", "") == best->sha256 &&
      before.contains("file")) {
    words["file"] = before["file"];
  }
  if (before == words) return;
  write_file(root_ / "best", words.dump(2) + "\n");
}

std::optional<std::int64_t> StateStore::named_best() const {
  const json words = words_of_best(root_);
  return words.contains("step") ? std::optional(words["step"].get<std::int64_t>()) : std::nullopt;
}

void StateStore::record_best_file(const fs::path& file) {
  const std::optional<BestState> best = best_of(manifest_of(root_ / state_folder_name(saved_step_)));
  write_best(best);
  if (!best) return;
  json words = words_of_best(root_);
  words["file"] = describe_file(file);
  words["file"]["name"] = file.filename().string();
  write_file(root_ / "best", words.dump(2) + "\n");
}

std::optional<StateStore::Difference> StateStore::compare_best_file(const BestState& best,
                                                                    const fs::path& file) const {
  const std::string name = file.filename().string();
  const bool there = fs::exists(file);
  const json words = words_of_best(root_);
  if (!words.contains("file")) return Difference{"state/best is missing or damaged", there};
  const std::int64_t named = words.value("step", std::int64_t{-1});
  if (named != best.step || words.value("sha256", "") != best.sha256) {
    return Difference{strf("state/best names step %lld, the best of the resumed state is step %lld",
                           static_cast<long long>(named), static_cast<long long>(best.step)),
                      there};
  }
  if (!there) return Difference{name + " is missing", false};
  const json& seen = words["file"];
  if (!seen.is_object()) return Difference{name + " was not written yet", false};
  if (fs::file_size(file) != seen.value("bytes", std::uint64_t{0}))
    return Difference{name + " has another size than the run wrote", true};
  if (sha256_file(file) != seen.value("sha256", ""))
    return Difference{name + " has another SHA-256 than the run wrote", true};
  return std::nullopt;
}

std::optional<TensorMap> StateStore::best_parameters(const BestState& best) const {
  const fs::path folder = root_ / state_folder_name(best.step);
  try {
    SavedState loaded = load_state_folder(folder);
    if (manifest_of(folder).at("files").at(kStateParts[0]).at("sha256") == best.sha256)
      return std::move(loaded.parameters);
    log_warning(folder.string() + " is not the best state: its SHA-256 is another");
  } catch (const fs::filesystem_error&) {
    log_warning(folder.string() + ": the best state is gone");
  } catch (const Error& e) {
    log_warning(std::string("the best state is damaged: ") + e.what());
  }
  return std::nullopt;
}

std::optional<fs::path> StateStore::go_back(std::int64_t step,
                                            const std::function<void(const fs::path&)>& also) {
  std::vector<fs::path> later = step_folders(root_);
  std::erase_if(later, [&](const fs::path& folder) { return *step_of(folder) <= step; });
  if (later.empty()) return std::nullopt;
  fs::path place;
  fs::path staging;
  for (int n = 1; place.empty() || fs::exists(place) || fs::exists(staging); ++n) {
    place = root_ / ("abandoned-" + std::to_string(n));
    staging = place;
    staging += ".moving";
  }
  fs::create_directories(staging);
  for (const fs::path& folder : later) {  // their best may be older than they are
    const auto best = best_of(manifest_of(folder));
    if (!best || best->step > step) continue;
    const fs::path source = root_ / state_folder_name(best->step);
    if (fs::exists(source / "manifest.json") && !fs::exists(staging / source.filename()))
      copy_state_folder(source, staging / source.filename(), true);
  }
  if (also) also(staging);
  sync_directory(staging);
  write_file(staging / kBehind, std::to_string(step));
  move_behind(root_, staging, step);
  log_warning("later states were moved to " + place.string() + "; they can be resumed there by name");
  return place;
}

std::optional<SavedState> StateStore::load_latest() const {
  return newest_in(root_);
}

SavedState StateStore::load(const fs::path& folder) {
  if (fs::exists(folder / "manifest.json")) return load_state_folder(folder);
  auto loaded = newest_in(fs::is_directory(folder / "state") ? folder / "state" : folder);
  if (loaded) return std::move(*loaded);
  constexpr const char* kHint = "give a state/step_... folder, or an output folder that holds one";
  if (!fs::exists(folder)) throw_data("does not exist", folder.string(), kHint);
  if (fs::is_directory(folder)) throw_data("holds no saved state", folder.string(), kHint);
  throw_data("is a file, not a saved state", folder.string(),
             std::string(kHint) +
                 "; weights of a file begin a new run: --v2-checkpoint of anemll_train, --init-state of "
                 "anemll_train_v1");
}

}  // namespace anemll
