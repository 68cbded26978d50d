// Models and datasets by name: a local path, the Hugging Face hub cache, or a download into that cache. The
// cache is laid out as the Python library lays it out, and each uses what the other made. One thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

enum class HubKind { model, dataset };

struct HubOptions {
  std::string revision = "main";                   ///< branch, tag or 40-hex commit
  std::optional<std::filesystem::path> cache_dir;  ///< else HF_HUB_CACHE, HF_HOME, ...
  std::optional<std::string> token;                ///< else HF_TOKEN or the token file
  bool local_files_only = false;                   ///< never touch the network (so do HF_HUB_OFFLINE=1 ...)
};

/// Where something was found, and what to write into provenance.
struct HubSnapshot {
  std::filesystem::path path;  ///< folder (or the file itself when a local file was named)
  std::string repository;      ///< "org/name", empty for local paths
  std::string commit;          ///< 40 hex digits, empty for local paths
};

/// What a model is fetched for.
enum class ModelUse {
  weights,  ///< config.json and the weights
  text,     ///< tokenizer and chat template
  all,
  generation,  ///< all, and how to sample
};

/// Whether `id` names a local path (for a data set, also a pattern in a folder that is there), which counts
/// before the hub.
bool is_local(HubKind kind, const std::string& id);

/// A folder with the model's files of that use, or a .gguf file. `id`: a local path, or [org/]name. Order:
/// local path, cached snapshot (used as it is when it has all files that are needed, none of them damaged),
/// download. Errors name every place that was tried, and the switch that forbade the network when one did.
/// Files that would change the result and that a cached snapshot does not have are asked for; where that
/// cannot be done, that is told.
HubSnapshot fetch_model(const std::string& id, const HubOptions& options, ModelUse use);
/// The files that are wanted, out of the names of all that a repository or a cached snapshot has, and the
/// text of its card (README.md; empty when there is none). A data error says that none is.
using ChooseFiles =
    std::function<std::vector<std::string>(const std::vector<std::string>& names, const std::string& card)>;

/// A file, a folder, a glob, or the chosen files of a dataset repository. A cached snapshot is used when
/// `choose` finds what it wants there and all of it is whole.
HubSnapshot fetch_dataset(const std::string& id, const HubOptions& options, const ChooseFiles& choose);

}  // namespace anemll
