// The V2 layer: W = Q o (A_dir diag(g) B_dir) with Q = lut[indices]. Indices are frozen uint8; the
// trained tensors are scale_A, scale_B and rank_magnitude. Three forwards: materialised (one GEMM on W built
// once per step, hand-written backward), batched and loop (rank by rank, rounding as the reference does).
// One thread at a time per layer (the autograd engine's thread included).
#pragma once

#include "src/model/linear.hpp"
#include "src/quant/v2_config.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

namespace anemll {

class V2State;

class V2Linear final : public Linear {
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

  const std::string& name() const;
  const V2Config& config() const;
  /// Mutable: a trainer may replace a tensor by another leaf of the same shape (a view of a flat buffer) and
  /// set requires_grad. Follow a change of values by begin_step.
  Tensors& tensors();
  const Tensors& tensors() const;
  std::int64_t out() const;
  std::int64_t in() const;

  void set_forward(ForwardMode mode);
  void set_ste(bool on);

  // A step is: begin_step, then per micro-step begin_micro_step + forward + backward.
  /// Drops cached weights (the parameters have changed).
  void begin_step();
  /// `last`: this backward contracts the accumulated dW into the gradients. The weight is built at the first
  /// forward of the step in x's dtype and kept until begin_step. Without a call every backward is a last one.
  void begin_micro_step(bool last);
  /// Called in backward after the gradients of scale_A, scale_B, rank_magnitude are final for this step, in
  /// every forward mode; never called for a layer with nothing trainable. Gradients are added to the tensors'
  /// .grad (made if undefined).
  void on_gradients_ready(std::function<void()> callback);
  /// Evaluation: build the weight at each use and drop it again (no memory is kept between layers).
  void set_transient(bool on);

  /// W [out, in] in `dtype`, with STE rounding (g, normalised factors, Q) when it is on. No gradient.
  at::Tensor effective_weight(at::ScalarType dtype) const;

 private:
  std::shared_ptr<V2State> state_;  // shared with the autograd graph
};

}  // namespace anemll
