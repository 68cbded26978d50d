// Kinds of layers by name: how each is made from a float weight, from a checkpoint, or from tensors. A new
// kind is a class behind QuantLayer and one registered row.
#pragma once

#include "anemll/core/tensor.hpp"
#include "anemll/model/architecture.hpp"
#include "anemll/quant/layer_modes.hpp"
#include "anemll/quant/quant_spec.hpp"
#include "src/quant/layer.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {

/// How a layer starts from a float weight.
struct InitOptions {
  SvdFloor floor = SvdFloor::reference;
  bool fast = false;  ///< rank-one start without a decomposition
  bool ste = false;   ///< freeze against g rounded to half
};

/// The hint for a checkpoint whose tensors hold NaN or infinities.
inline constexpr const char* kDiverged =
    "the run that wrote the file diverged, or the file is damaged: take an earlier one, for example "
    "best_state_dict.pt";

/// What a layer is made of, and what was noticed on the way.
struct LayerDraft {
  LayerTensors tensors;
  bool had_q = false;  ///< the checkpoint held _Q: counts for "Manually loaded N _Q buffers"
  std::vector<std::string> warnings;
};

/// A tensor of a checkpoint or a state by its name; null where there is none.
using TensorFinder = std::function<const HostTensor*(const std::string&)>;

struct LayerType {
  std::string_view name;
  /// The quantisation of a layer of this type by its tensors' shapes; nothing where the layer is of another
  /// type. Data errors name `file` and a key that such a layer must have.
  std::function<std::optional<LinearQuant>(const TensorFinder& find, const std::string& layer,
                                           const std::string& file)>
      recognise;
  /// The table of its tensors.
  std::function<std::vector<TensorRow>(const LinearSpec&, const LinearQuant&)> table;
  /// From scratch: `weight` [out, in], any float dtype, on the CPU. Biases are the model's, not the draft's.
  /// The caller puts the layer's name before the warnings.
  std::function<LayerDraft(const at::Tensor& weight, const LinearQuant&, const InitOptions&)> start;
  /// Out of a reference state dict. `ste` as in LayerNumerics: some keys are chosen by rounded values. Data
  /// errors name `file` and key.
  std::function<LayerDraft(const TensorMap& state, const LinearSpec&, const LinearQuant&, bool ste,
                           const std::string& file)>
      read;
  /// The layer itself. Data error when the tensors do not fit together.
  std::function<std::unique_ptr<QuantLayer>(const LinearSpec&, const LinearQuant&, LayerTensors)> make;
};

/// Usage error, listing the known ones, when there is no such type.
const LayerType& layer_type(std::string_view name);
/// By the first type that recognises the layer.
std::optional<LinearQuant> recognise_layer(const TensorFinder& find, const std::string& layer,
                                           const std::string& file);
/// Adds a type, or replaces the one of that name. Before any thread uses the list.
void register_layer_type(LayerType type);

/// Copies of what `find` gives for each row's name in a state; data errors name `where` and a missing tensor.
LayerTensors tensors_of_state(const std::vector<TensorRow>& table, const std::string& layer,
                              const TensorFinder& find, const std::string& where);

}  // namespace anemll
