// The V1 layer: W = lut[idx] o S with S = max(A B, 1e-8), or max(full scales, 1e-8). The indices follow from
// the float weight and the scales at every step: idx = round((clamp(w / S, -1, 1) + 1) / step). Trained are
// the weight (dW = dD: straight through), the scales (dS = dD o lut[idx], idx fixed), or both. Rounds nothing
// to half; has one forward, materialised. One thread at a time per layer (the autograd engine's included).
#pragma once

#include "src/quant/layer.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

class V1State;

class V1Linear final : public QuantLayer {
 public:
  /// Tensors in fp32 on one device: weight [out, in]; scale_A [out, r] and scale_B [r, padded], or
  /// full_scales [out, padded], with at least as many columns as the weight; lut [n], ascending; bias [out]
  /// or undefined.
  struct Tensors {
    at::Tensor weight, bias, scale_A, scale_B, full_scales, lut;
  };
  /// Of `quant` counts what tensors do not tell: the group size, and whether the weight is snapped.
  V1Linear(std::string name, const LinearQuant& quant, Tensors tensors);

  /// Usage error when a snapped layer trains.
  at::Tensor forward(const at::Tensor& x) override;

  const std::string& name() const override;
  LinearQuant quant() const override;
  std::int64_t out() const override;
  std::int64_t in() const override;
  std::vector<LayerTensor> tensor_table() override;
  void set_numerics(const LayerNumerics&) override {}
  void begin_step() override;
  /// Gradients of every micro-step are added at once: the layer keeps no sum of its own.
  void begin_micro_step(bool last) override;
  void on_gradients_ready(std::function<void()> callback) override;
  void set_transient(bool on) override;
  at::Tensor effective_weight(at::ScalarType dtype) const override;
  /// The layer's own weight is written, not the given one. The state dict of V1 has no indices.
  std::vector<LazyTensor> checkpoint_entries(const HostTensor& weight, bool with_indices) const override;
  /// snap(V1Snap::baked).
  std::unique_ptr<QuantLayer> baked(bool half) const override;

  /// What a snap of this layer takes, or took. Data error where a snapped weight is not made of table values.
  at::Tensor snap_indices() const override;
  /// Table values, or these times scales. Usage error for a layer that is snapped already.
  std::unique_ptr<QuantLayer> snapped(V1Snap mode) const override { return snap(mode); }
  std::unique_ptr<V1Linear> snap(V1Snap mode) const;

  Tensors& tensors();
  const Tensors& tensors() const;

 private:
  std::shared_ptr<V1State> state_;  // shared with the autograd graph
};

}  // namespace anemll
