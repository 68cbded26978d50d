#include "src/source/recorded_model.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/common_options.hpp"
#include "src/core/option_effects.hpp"
#include "src/hub/hub_options.hpp"
#include "src/model/compute.hpp"
#include "src/quant/layer_type.hpp"
#include "src/source/garbled.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace anemll {

namespace {

/// A V1 file need not quantise all: linears that have no scales in it are float.
void leave_float(const V2Checkpoint& checkpoint, ResolvedQuant& quant) {
  std::vector<QuantSpec::Entry>& entries = quant.spec.entries();
  const bool v1 = std::any_of(entries.begin(), entries.end(),
                              [](const QuantSpec::Entry& entry) { return entry.quant.type == "v1"; });
  if (!v1) return;
  const auto find = [&](const std::string& name) { return checkpoint.tensors.find(name); };
  std::size_t count = 0;
  for (QuantSpec::Entry& entry : entries) {
    if (recognise_layer(find, entry.linear, checkpoint.file)) continue;
    const std::int64_t group_size = entry.quant.group_size;
    entry.quant = float_linear();
    entry.quant.group_size = group_size;
    ++count;
  }
  if (count == 0) return;
  quant.source = "tensor shapes of " + checkpoint.file;  // no preset has a part in it
  log_info(strf("%zu of %zu linears have no scales in %s: they are float", count, entries.size(),
                checkpoint.file.c_str()));
}

/// A name that nobody typed may be what is wrong, so an error says where it comes from.
HubSnapshot fetch_choice(const ModelFlags& flags, const ModelChoice& name, const RecordedModel& recorded,
                         ModelUse use) {
  try {
    return fetch_model(name.id, name.hub, use);
  } catch (const Error& e) {
    if (flags.id || e.code() != ExitCode::data) throw;
    const std::string from = recorded.id.empty()
                                 ? "nothing beside the checkpoint names its model, so this is the default"
                                 : recorded.config.string() + " names this model";
    throw_data(e.problem(), e.where(), e.hint() + "; " + from + ", --model-id MODEL gives another");
  }
}

}  // namespace

void add_model_flags(OptionTable& table, ModelFlags& flags, const std::string& otherwise) {
  add_model_option(
      table, "model-id", &flags.id,
      "the unquantised model: folder, .gguf file, or org/name on the hub (default: " + otherwise + ")");
  add_revision_option(table, "model-revision", &flags.revision, "the model",
                      "what was recorded without --model-id, else main");
  add_device_option(table, &flags.device);
  add_strict_option(table, &flags.strict, "the model's files");
}

RecordedModel recorded_model(const V2Checkpoint& checkpoint) {
  return {checkpoint.keys.model_id, checkpoint.keys.model_revision, checkpoint.config};
}

LocatedModel locate_recorded_model(const ModelFlags& flags, const OptionTable& table,
                                   const RecordedModel& recorded, ModelUse use) {
  LocatedModel found;
  found.name = choose_model(flags.id, flags.revision, recorded);
  const std::string& id = found.name.id;
  if (table.given("model-revision") && is_local(HubKind::model, id))
    tell_unread({{"model-revision", "on a local model: revisions are the hub's"}});
  found.path = fetch_choice(flags, found.name, recorded, use).path;
  return found;
}

LocatedModel locate_recorded_model(const ModelFlags& flags, const OptionTable& table,
                                   const RecordedModel& recorded, ModelUse use, Communicator& comm) {
  LocatedModel found;
  on_root(comm, [&] { found = locate_recorded_model(flags, table, recorded, use); });
  std::string path = found.path.string();
  for (std::string* part : {&found.name.id, &found.name.hub.revision, &path})
    broadcast_string(comm, *part, 0);
  found.path = path;
  return found;
}

NamedModel find_recorded_model(const ModelFlags& flags, const OptionTable& table,
                               const RecordedModel& recorded, ModelUse use) {
  const LocatedModel found = locate_recorded_model(flags, table, recorded, use);
  return {found.name, open_model(found.path)};
}

NamedModel find_recorded_model(const ModelFlags& flags, const OptionTable& table,
                               const RecordedModel& recorded, ModelUse use, Communicator& comm) {
  const LocatedModel found = locate_recorded_model(flags, table, recorded, use, comm);
  return {found.name, open_model(found.path)};
}

ModelFiles load_named_model(const NamedModel& model, bool strict) {
  ModelFiles files = load_model_files(model.opened);
  files.inventory.tell(model.name.id, strict);
  return files;
}

ModelFiles load_named_model(const NamedModel& model, bool strict, Communicator& comm) {
  ModelFiles files = load_model_files(model.opened);
  on_root(comm, [&] { files.inventory.tell(model.name.id, strict); });
  return files;
}

FoundModel open_recorded_model(const ModelFlags& flags, const OptionTable& table,
                               const RecordedModel& recorded, ModelUse use) {
  NamedModel found = find_recorded_model(flags, table, recorded, use);
  ModelFiles files = load_named_model(found, flags.strict);
  return {std::move(found.name), std::move(found.opened), std::move(files)};
}

at::Device prepare_compute(const ModelFlags& flags, std::int64_t threads, int local_rank, int local_ranks) {
  set_compute_threads(static_cast<int>(threads), local_rank, local_ranks);
  return choose_device(flags.device, local_rank, true);
}

V2Checkpoint open_checkpoint(const std::string& file) {
  V2Checkpoint checkpoint = open_v2_checkpoint(file);
  refuse_adapters(checkpoint);
  return checkpoint;
}

Student open_student(const V2Checkpoint& checkpoint, const ModelFiles& model, at::Device device, bool ste,
                     bool tells) {
  ResolvedQuant quant = checkpoint_quant(checkpoint, model.architecture, {});
  leave_float(checkpoint, quant);
  if (tells) {
    for (const std::string& warning : quant.warnings) log_warning(warning);
  }
  log_info("quantisation: " + quant.spec.describe() + " (" + quant.source + "), group " +
           std::to_string(quant.spec.group_size()));
  Student student = Student::from_checkpoint(model, checkpoint, quant.spec, ste, device);
  if (tells) tell_garbled(checkpoint, student, model.tensors);
  return student;
}

void tell_differences(const SaidNumbers& said, const QuantScheme& usual) {
  std::string text;
  const auto compare = [&text](const char* flag, const std::optional<std::int64_t>& wanted,
                               std::int64_t actual) {
    if (!wanted || *wanted == actual) return;
    text +=
        strf("%s--%s %lld is not what the checkpoint holds: its shapes say %lld", text.empty() ? "" : "; ",
             flag, static_cast<long long>(*wanted), static_cast<long long>(actual));
  };
  compare("lut-bits", said.lut_bits, bits_of(usual.mlp_lut));
  compare("attn-lut-bits", said.attn_lut_bits, bits_of(usual.attn_lut));
  compare("scale-rank", said.scale_rank, usual.mlp_rank);
  compare("attn-scale-rank", said.attn_scale_rank, usual.attn_rank);
  if (!text.empty()) log_warning(text + ", which is used");
}

}  // namespace anemll
