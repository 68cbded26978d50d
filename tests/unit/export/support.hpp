// The nano checkpoint after training, as layers to snap, and files to compare with.
#pragma once

#include "anemll/formats/safetensors.hpp"
#include "anemll/formats/torch_file.hpp"
#include "anemll/model/architecture.hpp"
#include "src/export/ane_layout.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/layer_state.hpp"
#include "src/quant/v2_layer.hpp"
#include "tests/support/temp_dir.hpp"

#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll::test {

inline at::Tensor float_of(const TensorMap& map, const std::string& name) {
  return as_torch(*map.find(name)).to(at::kFloat).contiguous();
}

inline V2Linear linear_of(const TensorMap& checkpoint, const LinearSpec& spec) {
  V2Draft loaded = load_layer(checkpoint, spec.name, {}, true, "golden");
  return {spec.name, loaded.config, loaded.tensors};
}

/// The golden leaves embedding and head out; they are the model's.
struct Nano {
  Architecture architecture = read_architecture(golden("nano"));
  TensorMap checkpoint;
  TensorMap others;
  std::vector<V2Linear> linears;

  explicit Nano(TensorMap state = read_state_dict(golden("nano/v2_q2a4_trained.pt")))
      : checkpoint(std::move(state)), others(checkpoint) {
    const SafetensorsFile model = read_safetensors(golden("nano/model.safetensors"));
    const HostTensor embedding = *model.tensors.find("model.embed_tokens.weight");
    others.set("model.embed_tokens.weight", embedding);
    others.set("lm_head.weight", embedding);
    for (const LinearSpec& spec : body_linears(architecture)) linears.push_back(linear_of(checkpoint, spec));
  }

  std::vector<SnapLayer> layers() const {
    std::vector<SnapLayer> result;
    for (const V2Linear& linear : linears) {
      result.push_back({&linear, *checkpoint.find(linear.name() + ".weight")});
    }
    return result;
  }

  /// Builds, writes and reads again.
  TensorMap snap(const SnapOptions& options, CastCounts& counts, const std::filesystem::path& file) const {
    const std::vector<LazyTensor> tensors =
        ane_state_dict(expected_tensors(architecture), layers(), others, options, counts);
    write_torch_file(file, tensors);
    return read_state_dict(file);
  }
};

}  // namespace anemll::test
