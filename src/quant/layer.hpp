// The contract between a quantised linear and all that makes, trains, saves and ships it: a table of its
// tensors, the protocol of a training step, and its entries in files. Nobody outside of this room knows which
// class answers.
#pragma once

#include "anemll/core/tensor.hpp"
#include "anemll/quant/layer_modes.hpp"
#include "anemll/quant/quant_spec.hpp"
#include "src/model/linear.hpp"
#include "src/quant/positive_scales.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

namespace anemll {

/// What becomes of a tensor. It may pass from one role to another between two runs.
enum class LayerRole {
  trained,    ///< has a gradient; trained unless a flag says otherwise
  trainable,  ///< has a gradient; trained where a flag asks for it
  frozen,     ///< fixed once the layer is made
};

/// Which selection flags speak about it.
enum class TensorPart { scales, magnitudes, weights, other };

/// A row of a layer type's table. Shapes follow from the linear and its quantisation, so the table is known
/// before a layer is made.
struct TensorRow {
  std::string_view suffix;  ///< ".scale_A": the name in a state is the layer's name and this
  at::ScalarType dtype;
  std::vector<std::int64_t> shape;
  LayerRole role;
  TensorPart part = TensorPart::other;
  bool optional = false;  ///< absent where undefined: a bias, a switch
};

/// A row and where the layer keeps it. The slot is undefined where an optional tensor is absent. A trainer
/// may replace it by another leaf of the same shape; begin_step() then follows.
struct LayerTensor {
  TensorRow row;
  at::Tensor* slot;
};

/// Tensors of a layer by suffix, before it is made.
using LayerTensors = std::map<std::string, at::Tensor, std::less<>>;

/// How a layer computes in training.
struct LayerNumerics {
  ForwardMode forward = ForwardMode::materialised;
  bool ste = false;  ///< round to half what FP16 hardware will round
  bool scale_grid =
      false;  ///< round both factors to 8-bit grids (scale_grid.hpp), gradients straight through
};

class QuantLayer : public Linear {
 public:
  virtual const std::string& name() const = 0;
  virtual LinearQuant quant() const = 0;
  virtual std::int64_t out() const = 0;
  virtual std::int64_t in() const = 0;
  /// The rows of its type's table in their order, each with its slot.
  virtual std::vector<LayerTensor> tensor_table() = 0;

  virtual void set_numerics(const LayerNumerics& numerics) = 0;

  // A step is: begin_step, then per micro-step begin_micro_step + forward + backward.
  /// Drops what was computed from the tensors: their values have changed.
  virtual void begin_step() = 0;
  /// `last`: this backward makes the gradients final. Without a call every backward is a last one.
  virtual void begin_micro_step(bool last) = 0;
  /// Called in backward when the gradients of all that is trained are final for this step; never for a layer
  /// with nothing trained. Gradients are added to the tensors' .grad.
  virtual void on_gradients_ready(std::function<void()> callback) = 0;
  /// Evaluation: keep nothing between two uses.
  virtual void set_transient(bool on) = 0;

  /// W [out, in] in `dtype`, as the forward rounds it. No gradient.
  virtual at::Tensor effective_weight(at::ScalarType dtype) const = 0;

  /// The layer's entries of a reference state dict, in its order. `weight`: the float weight it was made
  /// from; without data that key is left out.
  virtual std::vector<LazyTensor> checkpoint_entries(const HostTensor& weight, bool with_indices) const = 0;
  /// The same layer with its scales multiplied out. With `half`, magnitudes are rounded the way training with
  /// STE rounds them, so that such a model loses nothing when the factors are cast.
  virtual std::unique_ptr<QuantLayer> baked(bool half) const = 0;
  /// The same layer, baked, with no scale under kSmallestPositiveScale and indices to match. `column_weight`
  /// and `half` as in PositiveSource. Null where all scales are above it already, and for a layer that has
  /// none of this kind. `fit` says what it cost; its tensors are left out.
  virtual std::unique_ptr<QuantLayer> positive(const at::Tensor& /*column_weight*/, bool /*half*/,
                                               PositiveFit& /*fit*/) const {
    return nullptr;
  }

  /// The same layer, baked, with its factors on 8-bit grids (scale_grid.hpp). Null for a layer without
  /// factors. `raised`: rows that were moved so that their scales stay positive.
  virtual std::unique_ptr<QuantLayer> on_scale_grid(std::int64_t& /*raised*/) const { return nullptr; }

  // Of layers whose weight a snap replaces (V1).
  /// The same layer with that weight; null for a layer that has none to replace.
  virtual std::unique_ptr<QuantLayer> snapped(V1Snap /*mode*/) const { return nullptr; }
  /// What the snap takes, uint8 [out, in]; undefined where snapped() is null.
  virtual at::Tensor snap_indices() const { return {}; }
};

}  // namespace anemll
