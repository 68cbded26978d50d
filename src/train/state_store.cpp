#include "anemll/train/state_store.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/hash.hpp"
#include "anemll/core/log.hpp"
#include "anemll/formats/safetensors.hpp"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr const char* kFormat = "anemll_train_state_v1";
constexpr const char* kParts[] = {"parameters.safetensors", "optimizer.safetensors", "trainer.json"};
constexpr std::size_t kKeep = 2;

std::string folder_name(std::int64_t step) {
  return strf("step_%08lld", static_cast<long long>(step));
}

json describe(const fs::path& file) {
  return {{"bytes", fs::file_size(file)}, {"sha256", sha256_file(file)}};
}

void check_file(const fs::path& file, const json& expected) {
  const std::string hint = "the file is damaged; --resume auto falls back to the previous checkpoint";
  if (!fs::exists(file)) throw_data("missing", file.string(), hint);
  if (fs::file_size(file) != expected.at("bytes").get<std::uint64_t>()) {
    throw_data("size differs from the manifest's", file.string(), hint);
  }
  if (sha256_file(file) != expected.at("sha256").get<std::string>()) {
    throw_data("checksum differs from the manifest's", file.string(), hint);
  }
}

StateStore::Loaded load_folder(const fs::path& given) {
  StateStore::Loaded out;
  const fs::path folder = fs::canonical(given);  // no trailing slash: the store is its parent
  out.folder = folder;
  try {
    const json manifest = json::parse(read_text(folder / "manifest.json"));
    if (manifest.at("format") != kFormat) {
      throw_data("unknown format " + manifest.at("format").dump(), (folder / "manifest.json").string(),
                 "it was written by another version of anemll_train");
    }
    for (const char* part : kParts) check_file(folder / part, manifest.at("files").at(part));
    const fs::path frozen = folder.parent_path() / manifest.at("frozen").at("name").get<std::string>();
    check_file(frozen, manifest.at("frozen"));
    out.step = manifest.at("step").get<std::int64_t>();
    out.frozen = read_safetensors(frozen).tensors;
    out.frozen_entry = manifest.at("frozen").dump();
  } catch (const json::exception& e) {
    throw_data(std::string("not a valid manifest: ") + e.what(), (folder / "manifest.json").string(),
               "give a state/step_... folder, or an output folder that holds one");
  }
  out.parameters = read_safetensors(folder / kParts[0]).tensors;
  out.optimizer = read_safetensors(folder / kParts[1]).tensors;
  out.trainer_json = read_text(folder / kParts[2]);
  return out;
}

/// Step of a complete-looking folder: step_00000100, or step_00000100.old, which a writer killed between two
/// renames leaves as the only copy.
std::optional<std::int64_t> step_of(const fs::path& folder) {
  const std::string stem = folder.stem().string();
  constexpr std::string_view kPrefix = "step_";
  if (!stem.starts_with(kPrefix) || (folder.has_extension() && folder.extension() != ".old"))
    return std::nullopt;
  const std::string digits = stem.substr(kPrefix.size());
  if (digits.empty() || digits.size() > 18 || !std::all_of(digits.begin(), digits.end(), ::isdigit))
    return std::nullopt;
  return std::stoll(digits);
}

/// Newest first; of one step the folder under its real name first.
std::vector<fs::path> step_folders(const fs::path& root) {
  std::vector<fs::path> folders;
  if (!fs::is_directory(root)) return folders;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (entry.is_directory() && step_of(entry.path())) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end(), [](const fs::path& a, const fs::path& b) {
    return std::make_tuple(-*step_of(a), a.has_extension()) <
           std::make_tuple(-*step_of(b), b.has_extension());
  });
  return folders;
}

/// The step that `latest` names; nothing when there is no such file.
std::optional<std::int64_t> latest_step(const fs::path& root) {
  if (!fs::exists(root / "latest")) return std::nullopt;
  std::string name = read_text(root / "latest");
  while (!name.empty() && (name.back() == '\n' || name.back() == '\r')) name.pop_back();
  return step_of(name).value_or(-1);
}

}  // namespace

StateStore::StateStore(fs::path output_dir) : root_(std::move(output_dir) / "state") {}

void StateStore::save_frozen(std::span<const LazyTensor> tensors) {
  fs::create_directories(root_);
  const fs::path draft = root_ / "frozen.draft.safetensors";
  require_space(root_, total_bytes(tensors));
  write_safetensors(draft, tensors);
  // Named by content, so that checkpoints of an earlier run in the same folder keep theirs.
  json entry = describe(draft);
  const std::string name = "frozen-" + entry["sha256"].get<std::string>().substr(0, 16) + ".safetensors";
  entry["name"] = name;
  fs::rename(draft, root_ / name);
  sync_directory(root_);
  frozen_entry_ = entry.dump();
}

bool StateStore::adopt_frozen(const Loaded& loaded) {
  std::error_code code;
  if (!fs::equivalent(loaded.folder.parent_path(), root_, code)) return false;
  frozen_entry_ = loaded.frozen_entry;
  return true;
}

void StateStore::save(std::int64_t step, std::span<const LazyTensor> parameters,
                      std::span<const LazyTensor> optimizer, const std::string& trainer_json) {
  require_space(root_, total_bytes(parameters) + total_bytes(optimizer));
  const fs::path place = root_ / folder_name(step);
  fs::path draft = place;
  draft += ".tmp";
  fs::remove_all(draft);
  fs::create_directories(draft);
  try {
    write_safetensors(draft / kParts[0], parameters);
    write_safetensors(draft / kParts[1], optimizer);
    write_file(draft / kParts[2], trainer_json);
    json manifest = {{"format", kFormat}, {"step", step}, {"files", json::object()}};
    for (const char* part : kParts) manifest["files"][part] = describe(draft / part);
    manifest["frozen"] = json::parse(frozen_entry_);
    write_file(draft / "manifest.json", manifest.dump(2) + "\n");
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(draft, ignored);
    throw;
  }
  fs::path old = place;
  old += ".old";
  fs::remove_all(old);
  if (fs::exists(place)) fs::rename(place, old);
  fs::rename(draft, place);
  sync_directory(root_);
  write_file(root_ / "latest", place.filename().string() + "\n");
  fs::remove_all(old);

  std::size_t kept = 0;
  for (const fs::path& folder : step_folders(root_)) {
    if (*step_of(folder) <= step && ++kept > kKeep) fs::remove_all(folder);
  }
}

void StateStore::abandon_after(std::int64_t step) {
  std::vector<fs::path> later = step_folders(root_);
  std::erase_if(later, [&](const fs::path& folder) { return *step_of(folder) <= step; });
  if (later.empty()) return;
  // `latest` moves first: a process killed half-way leaves folders that nobody reads.
  if (step < 0) {
    fs::remove(root_ / "latest");
  } else {
    write_file(root_ / "latest", folder_name(step) + "\n");
  }
  fs::path place;
  for (int n = 1; place.empty() || fs::exists(place); ++n) place = root_ / ("abandoned-" + std::to_string(n));
  fs::create_directories(place);
  for (const fs::path& folder : later) fs::rename(folder, place / folder.filename());
  log_warning("checkpoints of an earlier run were moved to " + place.string());
}

std::optional<StateStore::Loaded> StateStore::load_latest() const {
  const std::optional<std::int64_t> latest = latest_step(root_);
  std::vector<fs::path> candidates = step_folders(root_);
  if (latest) std::erase_if(candidates, [&](const fs::path& folder) { return *step_of(folder) > *latest; });
  if (candidates.empty() && !latest) return std::nullopt;
  if (latest && (candidates.empty() || *step_of(candidates.front()) != *latest)) {
    log_warning("the checkpoint that " + (root_ / "latest").string() + " names is gone");
  }
  for (const fs::path& folder : candidates) {
    try {
      return load_folder(folder);
    } catch (const Error& e) {
      log_warning(std::string("checkpoint passed over: ") + e.what());
    }
  }
  throw_data("none of the checkpoints is valid", root_.string(),
             "start again without --resume in another output folder");
}

StateStore::Loaded StateStore::load(const fs::path& folder) {
  if (fs::exists(folder / "manifest.json")) return load_folder(folder);
  auto loaded = StateStore(folder).load_latest();
  if (!loaded)
    throw_data("holds no checkpoint", folder.string(),
               "give a state/step_... folder, or an output folder that holds one");
  return std::move(*loaded);
}

}  // namespace anemll
