#include "src/student/v2_checkpoint.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/formats/safetensors.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/core/output_folder.hpp"
#include "src/model/tensor_registry.hpp"
#include "src/quant/packed_layer.hpp"

#include <string_view>
#include <vector>

namespace anemll {
namespace fs = std::filesystem;
namespace {

QuantRequest request_of(const std::vector<LinearSpec>& linears, const QuantWishes& wishes) {
  QuantRequest request;
  request.linears = linears;
  request.preset = wishes.preset;
  request.overrides = wishes.overrides;
  request.flags = wishes.flags;
  request.layers = wishes.layers;
  request.layers_file = wishes.layers_file;
  request.group_size = wishes.group_size;
  return request;
}

/// Quantisation and model stand in the header.
V2Checkpoint open_packed(const fs::path& file) {
  const SafetensorsFile packed = read_safetensors(file);
  const auto said = [&packed](std::string_view key) {
    const auto found = packed.metadata.find(std::string(key));
    return found == packed.metadata.end() ? std::string() : found->second;
  };
  const std::string version = said(kPackedKey);
  if (version.empty())
    throw_data("holds plain weights, no packed checkpoint", file.string(),
               "give the folder of the model, or a file of anemll_snap --format packed");
  if (version != kPackedVersion)
    throw_data(strf("is of version %s of the packed format, known is %s", version.c_str(),
                    std::string(kPackedVersion).c_str()),
               file.string(), "read it with the programs that wrote it, or newer ones");
  V2Checkpoint checkpoint;
  checkpoint.file = file.string();
  checkpoint.tensors = unpack_layers(packed.tensors, checkpoint.file);
  const HostTensor* embedding = checkpoint.tensors.find(kEmbeddingName);
  if (!said(kPackedTied).empty() && embedding != nullptr) checkpoint.tensors.set(kHeadName, *embedding);
  checkpoint.config = file;
  checkpoint.keys = parse_quant_config(said(kPackedConfig), checkpoint.file);
  return checkpoint;
}

/// config.json speaks of the last file of a run. What training wrote beside it is not snapped.
bool is_of_training(const fs::path& file) {
  const std::string name = file.filename().string();
  return name == "best_state_dict.pt" || matches("checkpoint_step#.pt", name);
}

}  // namespace

// v2_config.json is the name that some tools give it.
fs::path config_beside(const fs::path& checkpoint) {
  for (const char* name : {"config.json", "v2_config.json"}) {
    fs::path path = checkpoint.parent_path() / name;
    if (fs::exists(path)) return path;
  }
  return {};
}

V2Checkpoint open_v2_checkpoint(const fs::path& file) {
  if (file.extension() == ".safetensors") return open_packed(file);
  V2Checkpoint checkpoint;
  checkpoint.file = file.string();
  checkpoint.tensors = read_state_dict(file);
  checkpoint.config = config_beside(file);
  if (!checkpoint.config.empty()) checkpoint.keys = read_quant_config(checkpoint.config);
  if (is_of_training(file)) checkpoint.keys.snapped = V1Snap::none;
  return checkpoint;
}

fs::path v1_file(const fs::path& file_or_folder) {
  if (!fs::is_directory(file_or_folder)) return file_or_folder;
  for (const char* file : {"model_state_dict.pt", "best_state_dict.pt"}) {
    if (fs::exists(file_or_folder / file)) return file_or_folder / file;
  }
  throw_data("holds neither model_state_dict.pt nor best_state_dict.pt", file_or_folder.string(),
             "give the output folder of a V1 run, or a .pt file");
}

void refuse_adapters(const V2Checkpoint& checkpoint) {
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (!name.ends_with(".lora_A")) continue;
    throw_data("the checkpoint holds adapters: " + name, checkpoint.file,
               "merge them with the tool that trained them, then give the result");
  }
}

ResolvedQuant checkpoint_quant(const V2Checkpoint& checkpoint, const Architecture& architecture,
                               const QuantWishes& wishes) {
  const std::vector<LinearSpec> linears = body_linears(architecture);
  QuantRequest request = request_of(linears, wishes);
  request.checkpoint = &checkpoint.tensors;
  request.checkpoint_file = checkpoint.file;
  if (!checkpoint.config.empty()) request.keys = &checkpoint.keys;
  ResolvedQuant quant = resolve_quant(request);
  const std::string& activation = checkpoint.keys.magnitude_activation;
  if (!activation.empty() && activation != "identity") {
    throw_data("magnitude_activation " + activation + " cannot be trained", checkpoint.config.string(),
               "only identity magnitudes are supported; bake the magnitudes first");
  }
  const std::int64_t group_size = quant.spec.group_size();
  if (wishes.group_size_given && wishes.group_size != group_size) {
    throw_usage("--group-size " + std::to_string(wishes.group_size) +
                    " contradicts the checkpoint, whose scales have groups of " + std::to_string(group_size),
                checkpoint.config.string(), "drop the flag, or start from the model's own weights");
  }
  if (wishes.positive_scales && !quant.spec.force_positive_scales()) {
    throw_usage("--positive-scales, but the checkpoint's scales have signs", checkpoint.file,
                "start --from-scratch, or drop the flag and give it to anemll_snap, which fits them anew");
  }
  return quant;
}

ResolvedQuant scratch_quant(const Architecture& architecture, const QuantWishes& wishes) {
  const std::vector<LinearSpec> linears = body_linears(architecture);
  ResolvedQuant quant = resolve_quant(request_of(linears, wishes));
  for (QuantSpec::Entry& entry : quant.spec.entries())
    entry.quant.force_positive_scales = wishes.positive_scales;
  return quant;
}

}  // namespace anemll
