// Models and checkpoints as every rank sees them, held against each other before the ranks compute together.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/model/model_files.hpp"
#include "src/comm/agreement.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace anemll {

/// Facts about files: ranks that differ are a data error, whose hint says how they get the same ones.
Agreement agreement_on_files();

/// What a table of ranks shows of content_digest.
std::string shown_digest(const std::vector<std::filesystem::path>& files);

/// A model that was loaded, by a digest of its files too: its fingerprint does not look at them. `what` names
/// it in the table.
void add_model_facts(Agreement& inputs, const std::string& what, const ModelFiles& model);
/// A model that was only opened: its configuration, and a digest of the files of its weights, of which no
/// tensor is read. Data errors as check_weights.
void add_model_facts(Agreement& inputs, const std::string& what, const OpenModel& model);
/// A checkpoint, and the config.json beside it.
void add_checkpoint_facts(Agreement& inputs, const std::string& what, const std::filesystem::path& file);

/// The facts of a model that the ranks have loaded. A data error on all ranks that names what differs.
/// Collective; a rank whose files cannot be read throws alone.
void compare_model(const std::string& what, const ModelFiles& model, Communicator& comm);

}  // namespace anemll
