// Checkpoints and the models that they are of, as users name them: the options that say so, what files
// record, and how both are opened. Every program that reads a checkpoint opens it by these.
#pragma once

#include "anemll/core/options.hpp"
#include "anemll/hub/hub.hpp"
#include "anemll/model/compute_options.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/quant/quant_spec.hpp"
#include "src/hub/recorded_id.hpp"
#include "src/student/student.hpp"

#include <cstdint>
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

/// A model that was found and opened; its weights were not looked at.
struct NamedModel {
  ModelChoice name;
  OpenModel opened;
};
/// `recorded`: what the source says about its model. Tells a revision that has no effect.
NamedModel find_recorded_model(const ModelFlags& flags, const OptionTable& table,
                               const RecordedModel& recorded, ModelUse use);
/// The weights; tells what of the model is not used.
ModelFiles load_named_model(const NamedModel& model, bool strict);

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
/// that the file lacks are chosen by magnitudes rounded to half.
Student open_student(const V2Checkpoint& checkpoint, const ModelFiles& model, at::Device device,
                     bool ste = true);

/// Numbers that users may give though a checkpoint's shapes decide: --lut-bits and so on.
struct SaidNumbers {
  std::optional<std::int64_t> lut_bits, attn_lut_bits, scale_rank, attn_scale_rank;
};
/// One warning of all that are not the checkpoint's.
void tell_differences(const SaidNumbers& said, const QuantScheme& usual);

}  // namespace anemll
