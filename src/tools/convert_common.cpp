#include "src/tools/convert_common.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/core/common_options.hpp"
#include "src/core/signals.hpp"
#include "src/hub/hub_options.hpp"
#include "src/model/compute.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace anemll {
namespace fs = std::filesystem;

void add_model_flags(OptionTable& table, ModelFlags& flags, const std::string& otherwise) {
  add_model_option(
      table, "model-id", &flags.id,
      "the unquantised model: folder, .gguf file, or org/name on the hub (default: " + otherwise + ")");
  add_revision_option(table, "model-revision", &flags.revision, "the model",
                      "what was recorded without --model-id, else main");
  add_device_option(table, &flags.device);
  add_strict_option(table, &flags.strict, "the model's files");
}

FoundModel open_recorded_model(const ModelFlags& flags, const OptionTable& table,
                               const RecordedModel& recorded, ModelUse use) {
  FoundModel found;
  found.name = choose_model(flags.id, flags.revision, recorded);
  const std::string& id = found.name.id;
  if (table.given("model-revision") && is_local(HubKind::model, id))
    tell_unread({{"model-revision", "on a local model: revisions are the hub's"}});
  found.opened = open_model(fetch_model(id, found.name.hub, use).path);
  found.files = load_model_files(found.opened);
  found.files.inventory.tell(id, flags.strict);
  return found;
}

at::Device prepare_compute(const ModelFlags& flags) {
  set_compute_threads(0, 1);
  return choose_device(flags.device, 0, true);
}

V2Checkpoint open_checkpoint(const std::string& file) {
  V2Checkpoint checkpoint = open_v2_checkpoint(file);
  refuse_adapters(checkpoint);
  return checkpoint;
}

Student open_student(const V2Checkpoint& checkpoint, const ModelFiles& model, at::Device device) {
  const ResolvedQuant quant = checkpoint_quant(checkpoint, model.architecture, {});
  for (const std::string& warning : quant.warnings) log_warning(warning);
  log_info("quantisation: " + quant.spec.describe() + " (" + quant.source + "), group " +
           std::to_string(quant.spec.group_size()));
  return Student::from_checkpoint(model, checkpoint, quant.spec, /*ste=*/true, device);
}

std::unique_ptr<OutputFolder> take_checkpoint_folder(const fs::path& target, const std::string& flag) {
  if (target.extension() != ".pt")
    throw_usage(target.filename().string() + " does not end in .pt", flag, "give the name of a PyTorch file");
  auto folder = std::make_unique<OutputFolder>(target.parent_path(), converted_checkpoint(), flag,
                                               std::vector<std::string>{target.filename().string()});
  folder->take();
  return folder;
}

void write_checkpoint(OutputFolder& folder, const fs::path& target, const std::vector<LazyTensor>& tensors,
                      const std::string& config) {
  folder.set_aside();
  const auto total = static_cast<std::int64_t>(tensors.size());
  Progress bar("writing " + target.string(), total, "tensors");
  write_torch_file(target, tensors, [&bar](std::size_t place) {
    leave_on_signal("writing the checkpoint", "nothing was written: run the same command again");
    bar.update(static_cast<std::int64_t>(place) + 1);
  });
  bar.update(total);  // aliases are never made
  bar.finish();
  write_file(target.parent_path() / "config.json", config);
}

}  // namespace anemll
