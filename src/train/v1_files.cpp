#include "src/train/internal/v1_files.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/formats/torch_file.hpp"
#include "anemll/quant/presets.hpp"
#include "src/hub/recorded_id.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/student/checkpoint_config.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

V1Snap snap_of(const V1Options& v1) {
  if (!v1.snap_weights) return V1Snap::none;
  return v1.snap_bake_scales ? V1Snap::baked : V1Snap::lut;
}

bool is_v1(const QuantLayer& layer) {
  return layer.quant().type == "v1";
}

/// The state dict with each V1 layer's weight snapped when it is written, one at a time.
std::vector<LazyTensor> snapped_state(const Student& student, V1Snap mode) {
  std::vector<LazyTensor> state = student.reference_state_dict(false, nullptr);
  if (mode == V1Snap::none) return state;
  std::map<std::string, const QuantLayer*> by_weight;
  for (const QuantLayer* layer : student.layers()) {
    if (is_v1(*layer)) by_weight[layer->name() + ".weight"] = layer;
  }
  for (LazyTensor& entry : state) {
    const auto found = by_weight.find(entry.name);
    if (found == by_weight.end()) continue;
    entry.make = [layer = found->second, mode, name = entry.name] {
      for (LazyTensor& own : layer->snapped(mode)->checkpoint_entries({}, false)) {
        if (own.name == name) return own.make();
      }
      return HostTensor();
    };
  }
  return state;
}

std::vector<LazyTensor> indices_of(const Student& student) {
  std::vector<LazyTensor> entries;
  for (const QuantLayer* layer : student.layers()) {
    if (!is_v1(*layer)) continue;
    entries.push_back({layer->name(),
                       DType::u8,
                       {layer->out(), layer->in()},
                       [layer] { return as_host(layer->snap_indices().cpu()); },
                       {}});
  }
  return entries;
}

}  // namespace

void write_v1_tensors(const TrainOptions& options, const Student& student) {
  const fs::path folder = options.output_dir;
  const V1Snap mode = snap_of(*options.v1);
  write_torch_file(folder / kV1State, snapped_state(student, mode));
  write_torch_file(folder / kV1Indices, indices_of(student));
  log_info((folder / kV1State).string() + (mode == V1Snap::none ? ": weights as trained"
                                           : mode == V1Snap::baked
                                               ? ": weights are table values times scales"
                                               : ": weights are table values, scales apart"));
}

void write_v1_config(const TrainOptions& options, const Student& student, std::optional<double> final_loss,
                     bool snapped) {
  const V1Options& v1 = *options.v1;
  nlohmann::ordered_json config = v1_checkpoint_config(
      student.spec(),
      {id_to_record(options.model_id), revision_to_record(options.model_id, options.model_revision)});
  config["train_weights"] = v1.train_weights;
  config["train_scales"] = v1.train_scales;
  config["max_steps"] = options.max_steps;
  config["lr"] = options.lr;
  const V1Snap mode = snapped ? snap_of(v1) : V1Snap::none;
  config["snapped"] = mode != V1Snap::none;
  config["snap_bake_scales"] = mode == V1Snap::baked;
  config["result"]["final_loss"] =
      final_loss ? nlohmann::ordered_json(*final_loss) : nlohmann::ordered_json(nullptr);
  if (mode != V1Snap::none) config["snapped_mode"] = choice_name(mode);
  write_file(fs::path(options.output_dir) / "config.json", config_text(config));
}

bool v1_snap_is_written(const TrainOptions& options) {
  const V1Snap asked = snap_of(*options.v1);
  if (asked == V1Snap::none) return true;
  try {
    return read_quant_config(fs::path(options.output_dir) / "config.json").snapped == asked;
  } catch (const Error&) {  // missing or damaged: it is written anew
    return false;
  }
}

}  // namespace anemll
