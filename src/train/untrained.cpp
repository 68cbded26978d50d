#include "src/train/internal/untrained.hpp"

#include "anemll/core/log.hpp"
#include "src/core/one_of.hpp"
#include "src/core/output_folder.hpp"
#include "src/quant/layer.hpp"
#include "src/quant/ste.hpp"
#include "src/source/find_model.hpp"
#include "src/train/internal/output_files.hpp"
#include "src/train/internal/source_plan.hpp"
#include "src/train/internal/v1_files.hpp"

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {
namespace fs = std::filesystem;
namespace {

/// What is read where nothing is trained: the source, the scheme of its layers, the result, the machine.
constexpr auto kRead = std::to_array<std::string_view>({"from-scratch",     "v1-checkpoint",
                                                        "v2-checkpoint",    "init-state",
                                                        "model-id",         "model-revision",
                                                        "output-dir",       "strict",
                                                        "dry-run",          "resume",
                                                        "device",           "threads",
                                                        "config",           "mlp-lut",
                                                        "mlp-rank",         "attn-lut",
                                                        "attn-rank",        "group-size",
                                                        "expand-rank",      "svd-floor",
                                                        "fast-init",        "ste",
                                                        "freeze-all",       "lut-size",
                                                        "scale-rank",       "attn-lut-size",
                                                        "quantize-attn",    "attn-group-size",
                                                        "attn-scale-rank",  "skip-training",
                                                        "config-file",      "snap-weights",
                                                        "snap-bake-scales", "positive-scales",
                                                        "layer-overrides",  "init"});

void tell_unread_options(const TrainOptions& options) {
  std::string names;
  for (const std::string& name : options.given) {
    // The seed is for the directions of new ranks.
    if (is_one_of(name, kRead) || (name == "seed" && options.expand_rank)) continue;
    names.append(names.empty() ? "--" : ", --").append(name);
  }
  if (!names.empty()) log_warning("nothing is trained, so these are not read: " + names);
}

void round_scales(const Student& student) {
  for (QuantLayer* layer : student.layers()) {
    for (LayerTensor& tensor : layer->tensor_table()) {
      const bool rounds = tensor.row.part == TensorPart::scales || tensor.row.part == TensorPart::magnitudes;
      if (rounds && tensor.slot->defined()) *tensor.slot = round_half(*tensor.slot).detach();
    }
  }
}

}  // namespace

bool trains_nothing(const TrainOptions& options) {
  return options.freeze_all || (options.v1 && options.v1->skip_training);
}

void write_untrained(const TrainOptions& options, at::Device device, Communicator& comm) {
  if (comm.is_root()) tell_unread_options(options);
  std::unique_ptr<OutputFolder> output;
  on_root(comm, [&] {
    output = std::make_unique<OutputFolder>(options.output_dir, training_run(), "--output-dir");
    if (options.source_file()) output->accept(*options.source_file());
    output->take();
  });
  OpenModel opened =
      open_model(find_model(options.model_id, options.model_revision, ModelUse::weights, comm));
  const ModelFiles base = load_model_files(opened);
  on_root(comm, [&] { base.inventory.tell(options.model_id, options.strict); });
  const SourcePlan source = plan_source(options, opened.architecture, std::nullopt);
  if (source.v1 && comm.is_root())
    v1_inventory(*source.checkpoint, opened.architecture, *source.v1).tell(source.checkpoint->file, false);
  const Student student = make_student(options, base, source, std::nullopt, device, comm);
  if (options.dry_run) return;
  if (!options.v1) round_scales(student);
  on_root(comm, [&] {
    std::vector<fs::path> stays;
    if (options.source_file()) stays.emplace_back(*options.source_file());
    const std::optional<fs::path> earlier = output->set_aside(stays);
    if (options.v1) {
      write_v1_tensors(options, student);
      write_v1_config(options, student, std::nullopt, true);
      return;
    }
    OutputFiles files(options, source_of(options, earlier));
    files.write_best(student);
    files.write_config(student, std::nullopt);
    log_info(files.best().string() + ": scales and magnitudes are rounded to half, nothing was trained");
  });
}

}  // namespace anemll
