// Checkpoints and the models that they are of, as users name them: the options that say so, what files
// record, and how both are opened. Every program that reads a checkpoint opens it by these.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/core/options.hpp"
#include "anemll/hub/hub.hpp"
#include "anemll/model/compute_options.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/quant/quant_spec.hpp"
#include "src/hub/recorded_id.hpp"
#include "src/student/student.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <c10/core/Device.h>

namespace anemll {

/// --model-id, --model-revision, --device, --strict.
struct ModelFlags {
  std::optional<std::string> id, revision;
  DeviceChoice device = DeviceChoice::automatic;
  bool strict = false;
};
void add_model_flags(OptionTable& table, ModelFlags& flags, const std::string& otherwise);

/// What a checkpoint's config.json says about its model.
RecordedModel recorded_model(const V2Checkpoint& checkpoint);

/// Where a model lies, and the name by which it was found.
struct LocatedModel {
  ModelChoice name;
  std::filesystem::path path;  ///< folder or .gguf file
};
/// `recorded`: what the source says about its model. Tells a revision that has no effect.
LocatedModel locate_recorded_model(const ModelFlags& flags, const OptionTable& table,
                                   const RecordedModel& recorded, ModelUse use);
/// The same for ranks: what rank 0 names and finds is everybody's, and it alone asks the hub and tells.
/// Collective.
LocatedModel locate_recorded_model(const ModelFlags& flags, const OptionTable& table,
                                   const RecordedModel& recorded, ModelUse use, Communicator& comm);

/// A model that was found and opened; its weights were not looked at.
struct NamedModel {
  ModelChoice name;
  OpenModel opened;
};
NamedModel find_recorded_model(const ModelFlags& flags, const OptionTable& table,
                               const RecordedModel& recorded, ModelUse use);
/// The same for ranks. Collective.
NamedModel find_recorded_model(const ModelFlags& flags, const OptionTable& table,
                               const RecordedModel& recorded, ModelUse use, Communicator& comm);
/// The weights; tells what of the model is not used.
ModelFiles load_named_model(const NamedModel& model, bool strict);
/// The same for ranks, of which rank 0 tells; where that is an error it is one of all ranks. Collective.
ModelFiles load_named_model(const NamedModel& model, bool strict, Communicator& comm);

/// Both at once.
struct FoundModel {
  ModelChoice name;
  OpenModel opened;
  ModelFiles files;
};
FoundModel open_recorded_model(const ModelFlags& flags, const OptionTable& table,
                               const RecordedModel& recorded, ModelUse use);

/// The device of the flags; sets the threads of this process (0: its share of what is usable). `local_ranks`:
/// processes of the job on this host, `local_rank`: which of them this is.
at::Device prepare_compute(const ModelFlags& flags, std::int64_t threads = 0, int local_rank = 0,
                           int local_ranks = 1);

/// A checkpoint (V2 or V1) without adapters.
V2Checkpoint open_checkpoint(const std::string& file);
/// The quantised model of a checkpoint. Tells its quantisation, and where names say otherwise. `ste`: indices
/// that the file lacks are chosen by magnitudes rounded to half. `tells`: one of several ranks does.
Student open_student(const V2Checkpoint& checkpoint, const ModelFiles& model, at::Device device,
                     bool ste = true, bool tells = true);

/// Numbers that users may give though a checkpoint's shapes decide: --lut-bits and so on.
struct SaidNumbers {
  std::optional<std::int64_t> lut_bits, attn_lut_bits, scale_rank, attn_scale_rank;
};
/// One warning of all that are not the checkpoint's.
void tell_differences(const SaidNumbers& said, const QuantScheme& usual);

}  // namespace anemll
