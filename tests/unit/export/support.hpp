// The nano checkpoint after training, as layers to snap, and files to compare with.
#pragma once

#include "anemll/formats/safetensors.hpp"
#include "anemll/formats/torch_file.hpp"
#include "anemll/model/architecture.hpp"
#include "src/export/ane_layout.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/layer_type.hpp"
#include "tests/support/temp_dir.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll::test {

inline at::Tensor float_of(const TensorMap& map, const std::string& name) {
  return as_torch(*map.find(name)).to(at::kFloat).contiguous();
}

inline std::unique_ptr<QuantLayer> linear_of(const TensorMap& checkpoint, const LinearSpec& spec) {
  const auto find = [&](const std::string& name) { return checkpoint.find(name); };
  const LinearQuant quant = recognise_layer(find, spec.name, "golden").value();
  const LayerType& type = layer_type(quant.type);
  return type.make(spec, quant, type.read(checkpoint, spec, quant, true, "golden").tensors);
}

/// The layer's own tensor of this suffix, which it must have.
inline at::Tensor& slot_of(QuantLayer& layer, std::string_view suffix) {
  for (const LayerTensor& tensor : layer.tensor_table()) {
    if (tensor.row.suffix == suffix) return *tensor.slot;
  }
  throw std::logic_error("no such row");
}

/// The golden leaves embedding and head out; they are the model's.
struct Nano {
  Architecture architecture = read_architecture(golden("nano"));
  TensorMap checkpoint;
  TensorMap others;
  std::vector<std::unique_ptr<QuantLayer>> linears;

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
    for (const auto& linear : linears) {
      result.push_back({linear.get(), *checkpoint.find(linear->name() + ".weight")});
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
