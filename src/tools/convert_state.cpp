// anemll_convert state: a saved state of a run as a checkpoint in the reference's form.
#include "anemll/core/log.hpp"
#include "src/source/recorded_model.hpp"
#include "src/student/checkpoint_config.hpp"
#include "src/tools/convert_commands.hpp"
#include "src/tools/convert_common.hpp"
#include "src/train/state_model.hpp"

#include <algorithm>

namespace anemll {
namespace {

bool holds_v1(const QuantSpec& spec) {
  return std::any_of(spec.entries().begin(), spec.entries().end(),
                     [](const QuantSpec::Entry& entry) { return entry.quant.type == "v1"; });
}

}  // namespace

int convert_state_command(int argc, const char* const* argv) {
  std::string place, output;
  ModelFlags model;
  OptionTable table(
      "anemll_convert state",
      "A saved state of a run as a checkpoint that this program and the reference train on from.");
  table.add_positional("STATE", &place, "folder state/step_..., or a run's folder: its newest state", true);
  table.add_positional("OUT", &output, "file to write; config.json comes beside it", true);
  add_model_flags(table, model, "the run's");
  table.mark_path("STATE");
  table.mark_path("OUT");
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;

  const StateModel state = open_state_model(place);
  const std::filesystem::path target = std::filesystem::absolute(output);
  const auto folder = take_checkpoint_folder(target, "OUT");
  const at::Device device = prepare_compute(model);
  const FoundModel found = open_recorded_model(
      model, table, {state.model_id, state.model_revision, state.folder / "trainer.json"}, ModelUse::weights);
  const Student student = state_student(state, found.files, device);

  const ModelToRecord model_to_record{id_to_record(found.name.id),
                                      revision_to_record(found.name.id, found.name.hub.revision)};
  const bool v1 = holds_v1(student.spec());
  nlohmann::ordered_json config = v1 ? v1_checkpoint_config(student.spec(), model_to_record)
                                     : checkpoint_config(student.spec(), model_to_record);
  config["step"] = state.step;
  config["source_checkpoint"] = state.folder.string();
  if (!v1) add_reading_rules(config, student.spec());
  write_checkpoint(*folder, target, student.reference_state_dict(false, nullptr), config_text(config));
  log_info(strf("step %lld of %s: %s", static_cast<long long>(state.step), state.folder.c_str(),
                student.spec().describe().c_str()));
  return 0;
}

}  // namespace anemll
