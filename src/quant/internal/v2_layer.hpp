// The V2 layer: W = Q o (A_dir diag(g) B_dir) with Q = lut[indices]. Indices are frozen uint8; the
// trained tensors are scale_A, scale_B and rank_magnitude. Three forwards: materialised (one GEMM on W built
// once per step, hand-written backward), batched and loop (rank by rank, rounding as the reference does).
// One thread at a time per layer (the autograd engine's thread included).
#pragma once

#include "src/quant/internal/v2_config.hpp"
#include "src/quant/layer.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

class V2State;

class V2Linear final : public QuantLayer {
 public:
  /// Tensors in fp32 on one device: scale_A [out, r], scale_B [r, in], rank_magnitude [r], lut [n]
  /// (ascending); indices uint8 [out, in]; bias [out] or undefined; `baked`: factors are used as they are.
  struct Tensors {
    at::Tensor scale_A, scale_B, rank_magnitude, lut, indices, bias;
    bool baked = false;
  };
  /// Starts as materialised, without STE.
  V2Linear(std::string name, V2Config config, Tensors tensors);

  at::Tensor forward(const at::Tensor& x) override;

  const std::string& name() const override;
  LinearQuant quant() const override;
  std::int64_t out() const override;
  std::int64_t in() const override;
  std::vector<LayerTensor> tensor_table() override;
  void set_numerics(const LayerNumerics& numerics) override;
  void begin_step() override;
  /// `last`: this backward contracts the accumulated dW into the gradients. The weight is built at the first
  /// forward of the step in x's dtype and kept until begin_step.
  void begin_micro_step(bool last) override;
  void on_gradients_ready(std::function<void()> callback) override;
  void set_transient(bool on) override;
  at::Tensor effective_weight(at::ScalarType dtype) const override;
  std::vector<LazyTensor> checkpoint_entries(const HostTensor& weight, bool with_indices) const override;
  /// scale_A = A_dir g, scale_B = B_dir, magnitudes one.
  std::unique_ptr<QuantLayer> baked(bool half) const override;
  std::unique_ptr<QuantLayer> positive(const at::Tensor& column_weight, bool half,
                                       PositiveFit& fit) const override;
  std::unique_ptr<QuantLayer> on_scale_grid(std::int64_t& raised) const override;

  const V2Config& config() const;
  Tensors& tensors();
  const Tensors& tensors() const;

 private:
  std::shared_ptr<V2State> state_;  // shared with the autograd graph
};

}  // namespace anemll
