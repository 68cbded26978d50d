// From a name to a folder: local path, cached snapshot, download. The public functions are this one with
// settings of the environment and a demand.
#pragma once

#include "anemll/hub/hub.hpp"
#include "src/hub/settings.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace anemll {

/// What is wanted of a repository.
struct HubDemand {
  /// The files to download, out of all there are. The card that it sees is that of `card`.
  ChooseFiles choose;
  /// What the folder lacks, in words; empty when it has what is needed.
  std::function<std::string(const std::filesystem::path& folder)> missing;
  /// Files whose absence sends a snapshot that lacks nothing to the network once, unless the repository is
  /// known not to have them. Without network the snapshot is used as it is.
  std::vector<std::string> wished;
  /// A file that is fetched first where the repository has it, because `choose` reads it; empty for none.
  std::string card = {};
};

HubSnapshot fetch(HubKind kind, const std::string& id, const std::string& revision,
                  const HubSettings& settings, const HubDemand& demand);

/// What fetch_model and fetch_dataset ask for.
HubDemand model_demand();
HubDemand dataset_demand(const ChooseFiles& choose);

}  // namespace anemll
