#include "src/source/model_place.hpp"

#include "anemll/core/error.hpp"
#include "anemll/hub/hub.hpp"
#include "src/core/content_kind.hpp"
#include "src/quant/packed_layer.hpp"

#include <algorithm>
#include <filesystem>
#include <vector>

namespace anemll {
namespace fs = std::filesystem;
namespace {

std::vector<fs::path> files_ending(const fs::path& folder, const std::string& end) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().ends_with(end)) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// The one that a run or a snap means by its folder.
fs::path checkpoint_in(const fs::path& folder) {
  for (const char* name : {"model_state_dict.pt", "best_state_dict.pt"}) {
    if (fs::exists(folder / name)) return folder / name;
  }
  const std::vector<fs::path> all = files_ending(folder, ".pt");
  if (all.size() == 1) return all.front();
  if (all.empty())
    throw_data(
        "the folder has neither a checkpoint (.pt) nor plain weights (.safetensors, pytorch_model.bin)",
        folder.string(), "give a checkpoint's file, or a model's folder; ls shows what is there");
  std::string names;
  for (const fs::path& file : all) names += (names.empty() ? "" : ", ") + file.filename().string();
  throw_usage("the folder has several checkpoints: " + names, folder.string(),
              "give one of these files, for example " + all.front().string() +
                  "; anemll_inspect check tells of each");
}

}  // namespace

ModelPlace place_of_model(const std::string& name) {
  if (name.empty()) return {};
  const fs::path path(name);
  if (path.extension() != ".pt" && path.extension() != ".gguf" && !is_local(HubKind::model, name))
    return {{}, name};
  if (!fs::is_directory(path)) {
    // The content decides, whatever the name; a name alone only where there is no such file.
    std::error_code none;
    const ContentKind kind = fs::is_regular_file(path, none) ? content_kind(path) : ContentKind::other;
    const bool torch = kind == ContentKind::zip || kind == ContentKind::pickle;
    const bool gguf = kind == ContentKind::gguf || (!torch && path.extension() == ".gguf");
    return gguf ? ModelPlace{{}, name} : ModelPlace{name, {}};
  }
  if (fs::exists(path / kPackedFile)) return {(path / kPackedFile).string(), {}};
  const bool plain =
      !files_ending(path, ".safetensors").empty() || !files_ending(path, ".safetensors.index.json").empty() ||
      fs::exists(path / "pytorch_model.bin") || fs::exists(path / "pytorch_model.bin.index.json");
  if (plain) return {{}, name};
  return {checkpoint_in(path).string(), {}};
}

}  // namespace anemll
