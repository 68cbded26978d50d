#include "src/train/internal/saved_state.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/formats/safetensors.hpp"
#include "src/core/finite.hpp"
#include "src/core/hash.hpp"
#include "src/core/output_folder.hpp"
#include "src/core/shell_word.hpp"
#include "src/core/system_error.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr int kStoresUp = 3;  // state/abandoned-1/step_7 refers to a file in state

struct NotFinite {
  std::string tensor;
  fs::path file;
};

/// The first tensor with a value that is not finite.
std::optional<NotFinite> find_not_finite(const SavedState& state) {
  for (const auto& [tensors, file] : {std::pair{&state.parameters, state.folder / kStateParts[0]},
                                      std::pair{&state.optimizer, state.folder / kStateParts[1]},
                                      std::pair{&state.frozen, state.frozen_file}}) {
    for (const auto& [name, tensor] : *tensors) {
      if (!all_finite(tensor)) return NotFinite{name, file};
    }
  }
  return std::nullopt;
}

/// The newest whole state beside this one whose step is lower and whose values are finite.
std::optional<fs::path> good_state_before(const SavedState& state) {
  for (const fs::path& folder : step_folders(state.folder.parent_path())) {
    if (*step_of(folder) >= state.step) continue;
    try {
      if (!find_not_finite(read_state_folder(folder))) return folder;
    } catch (const Error&) {  // damaged: look further
    }
  }
  return std::nullopt;
}

/// The file of this name beside the folder or above it.
fs::path find_frozen(const fs::path& folder, const std::string& name) {
  fs::path root = folder.parent_path();
  for (int up = 0; up < kStoresUp; ++up, root = root.parent_path()) {
    if (fs::exists(root / name)) return root / name;
  }
  return folder.parent_path() / name;
}

void copy_durable(const fs::path& from, const fs::path& to, bool share) {
  std::error_code error;
  if (share) {
    fs::create_hard_link(from, to, error);
    if (!error) return;
  }
  fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
  if (error) throw_system("cannot copy", to, error);
  sync_file(to);
}

}  // namespace

std::string state_folder_name(std::int64_t step) {
  return strf("step_%08lld", static_cast<long long>(step));
}

std::optional<std::int64_t> step_of(const fs::path& folder) {
  const std::string stem = folder.stem().string();
  if (folder.has_extension() && folder.extension() != ".old") return std::nullopt;
  return number_in("step_#", stem);
}

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

json describe_file(const fs::path& file) {
  return {{"bytes", fs::file_size(file)}, {"sha256", sha256_file(file)}};
}

void check_file(const fs::path& file, const json& expected) {
  const std::string hint = "this state is not whole; --resume auto falls back to an earlier one";
  if (!fs::exists(file)) throw_data("missing", file.string(), hint);
  if (fs::file_size(file) != expected.at("bytes").get<std::uint64_t>()) {
    throw_data("size differs from the manifest's", file.string(), hint);
  }
  if (sha256_file(file) != expected.at("sha256").get<std::string>()) {
    throw_data("checksum differs from the manifest's", file.string(), hint);
  }
}

json manifest_of(const fs::path& folder) {
  try {
    json manifest = json::parse(read_text(folder / "manifest.json"), nullptr, false);
    if (manifest.is_object()) return manifest;
  } catch (const Error&) {  // missing: the same as damaged
  }
  return json::object();
}

std::optional<BestState> best_of(const json& manifest) {
  try {
    if (!manifest.contains("best")) return std::nullopt;
    const json& words = manifest["best"];
    BestState best;
    best.step = words.at("step").get<std::int64_t>();
    if (!words.at("loss").is_null()) best.loss = words.at("loss").get<double>();
    best.sha256 = words.at("sha256").get<std::string>();
    return best;
  } catch (const json::exception&) {  // damaged: as if nothing were known
    return std::nullopt;
  }
}

json best_json(const BestState& best) {
  return {{"step", best.step},
          {"loss", std::isfinite(best.loss) ? json(best.loss) : json(nullptr)},
          {"sha256", best.sha256}};
}

SavedState read_state_folder(const fs::path& given) {
  SavedState out;
  const fs::path folder = fs::canonical(given);  // no trailing slash: the store is its parent
  const std::string manifest_file = (folder / "manifest.json").string();
  out.folder = folder;
  try {
    const json manifest = json::parse(read_text(folder / "manifest.json"));
    if (manifest.at("format") != kStateFormat) {
      throw_data("unknown format " + manifest.at("format").dump(), manifest_file,
                 "it was written by another version of anemll_train");
    }
    for (const char* part : kStateParts) check_file(folder / part, manifest.at("files").at(part));
    out.step = manifest.at("step").get<std::int64_t>();
    if (const auto named = step_of(folder); named && *named != out.step) {
      throw_data("is of step " + std::to_string(out.step) + ", not of the step in its folder's name",
                 manifest_file, "it was copied or renamed: give it its own name");
    }
    out.frozen_file = find_frozen(folder, manifest.at("frozen").at("name").get<std::string>());
    check_file(out.frozen_file, manifest.at("frozen"));
    out.frozen = read_safetensors(out.frozen_file).tensors;
    out.frozen_entry = manifest.at("frozen").dump();
    out.best = best_of(manifest);
  } catch (const json::exception& e) {
    throw_data(std::string("not a valid manifest: ") + e.what(), manifest_file,
               "give a state/step_... folder, or an output folder that holds one");
  }
  out.parameters = read_safetensors(folder / kStateParts[0]).tensors;
  out.optimizer = read_safetensors(folder / kStateParts[1]).tensors;
  out.trainer_json = read_text(folder / kStateParts[2]);
  return out;
}

void require_finite_state(const SavedState& state) {
  const std::optional<NotFinite> bad = find_not_finite(state);
  if (!bad) return;
  const std::optional<fs::path> good = good_state_before(state);
  throw_data(
      bad->tensor + " holds values that are not numbers (NaN or infinite)", bad->file.string(),
      good ? "the run diverged before it was saved: go on from the good state before it with --resume " +
                 shell_word(good->string()) + " and a smaller --lr"
           : std::string("the run diverged before it was saved, and no earlier state is good: start "
                         "without --resume and with a smaller --lr"));
}

SavedState load_state_folder(const fs::path& folder) {
  SavedState state = read_state_folder(folder);
  require_finite_state(state);
  return state;
}

Draft::Draft(fs::path path) : path_(std::move(path)) {
  fs::remove_all(path_);
}

Draft::~Draft() {
  std::error_code ignored;  // the next start sweeps what stays
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

void Draft::become(const fs::path& place) {
  fs::rename(path_, place);
  path_.clear();
  sync_directory(place.parent_path());
}

void copy_state_folder(const fs::path& from, const fs::path& to, bool share) {
  fs::path path = to;
  path += ".tmp";
  Draft draft(path);
  fs::create_directories(path);
  for (const char* part : kStateParts) copy_durable(from / part, path / part, share);
  copy_durable(from / "manifest.json", path / "manifest.json", share);
  sync_directory(path);
  fs::remove_all(to);
  draft.become(to);
}

std::vector<LazyTensor> checked_finite(std::span<const LazyTensor> tensors, const std::string& where) {
  std::vector<LazyTensor> out(tensors.begin(), tensors.end());
  for (LazyTensor& tensor : out) {
    tensor.make = [name = tensor.name, where, make = std::move(tensor.make)] {
      HostTensor made = make();
      if (!all_finite(made)) {
        throw_numerics(name + " has values that are not finite, so this state is not saved", where,
                       "the earlier states are untouched: go on from one with --resume auto and a smaller "
                       "--lr, or try --precision fp32");
      }
      return made;
    };
  }
  return out;
}

}  // namespace anemll
