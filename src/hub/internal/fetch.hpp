// From a name to a folder: local path, cached snapshot, download. The public functions are this one with
// settings of the environment and a demand.
#pragma once

#include "anemll/hub/hub.hpp"
#include "src/hub/internal/settings.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace anemll {

/// The name is absent, or a link that leads nowhere.
bool not_there(const std::filesystem::path& folder, const std::string& path);

/// What is wanted of a repository.
struct HubDemand {
  /// The files to download, out of all there are. The card that it sees is that of `card`.
  ChooseFiles choose;
  /// What the folder lacks or has damaged, in words that follow "has no"; empty when it has what is needed.
  std::function<std::string(const std::filesystem::path& folder)> missing;
  /// Whether one file of the folder is absent or damaged.
  std::function<bool(const std::filesystem::path& folder, const std::string& path)> lacks = not_there;
  /// Files whose absence sends a snapshot that lacks nothing to the network once, unless the repository is
  /// known not to have them. Without network the snapshot is used as it is.
  std::vector<std::string> wished;
  /// The names in a snapshot do not say whether it is whole: with the network the list of its commit is asked
  /// for each time, and what is chosen of it and not there is fetched.
  bool open_ended = false;
  /// A file that is fetched first where the repository has it, because `choose` reads it; empty for none.
  std::string card = {};
  /// Called with a cached snapshot that is used: those of `wished` of which it is not known whether the
  /// repository has them, and why it could not be asked.
  std::function<void(const std::filesystem::path& folder, const std::vector<std::string>& unknown,
                     const std::string& why)>
      tell = {};
};

HubSnapshot fetch(HubKind kind, const std::string& id, const std::string& revision,
                  const HubSettings& settings, const HubDemand& demand);

/// What fetch_model and fetch_dataset ask for.
HubDemand model_demand(ModelUse use);
HubDemand dataset_demand(const ChooseFiles& choose);

}  // namespace anemll
