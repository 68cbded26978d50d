// A model's id as a file of a run records it, so that it is found again from another working folder; and the
// choice between that and what a user says.
#pragma once

#include "anemll/hub/hub.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace anemll {

/// What to write for `id` as it was typed: the absolute path where it names something here, else `id` itself.
std::string id_to_record(const std::string& id);

/// The revision to write beside the id: nothing where it is not read (a local path) and for the default
/// branch, which is what a file without it means.
std::optional<std::string> revision_to_record(const std::string& id, const std::string& revision);

/// What `id`, read from a file in `folder`, names now: `id` itself when it is absolute or a hub name, else
/// the path below `folder`, one of the folders around it, or the working folder. A data error that names
/// `file` when it looks like a path and nothing is there.
std::string recorded_id(const std::string& id, const std::filesystem::path& file);

/// The model of a checkpoint as config.json beside it records it. Empty where it does not say.
struct RecordedModel {
  std::string id;
  std::string revision;
  std::filesystem::path config;  ///< that file; empty when there is none
};

/// The model to hold a checkpoint against, and which commit of it where it is a name on the hub.
struct ModelChoice {
  std::string id;
  HubOptions hub;
};

/// What the command line says, else what was recorded, else the reference's default model. Data error as
/// recorded_id.
ModelChoice choose_model(const std::optional<std::string>& id, const std::optional<std::string>& revision,
                         const RecordedModel& recorded);

}  // namespace anemll
