// One pre-norm decoder for every known family: embeddings, RMSNorm, attention with RoPE and grouped kv
// heads, gated MLP, final norm; what differs between layers stands in their LayerSpec. The seven linears of a
// layer sit in replaceable slots. The residual stream is fp32; GEMMs and their operands use the compute
// dtype. The head is not applied here: losses fuse it.
#pragma once

#include "anemll/model/architecture.hpp"
#include "anemll/model/model_files.hpp"
#include "src/model/attention_state.hpp"
#include "src/model/checkpoint.hpp"
#include "src/model/linear.hpp"

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

/// Linears of a block that get the same input.
enum class InputGroup { qkv, o, gate_up, down };

struct LinearGroup {
  InputGroup input;
  std::size_t first, count;  ///< in the order q, k, v, o, gate, up, down
};
/// In the order of the pass: what one is given depends on those before it.
inline constexpr std::array<LinearGroup, 4> kLinearGroups = {
    {{InputGroup::qkv, 0, 3}, {InputGroup::o, 3, 1}, {InputGroup::gate_up, 4, 2}, {InputGroup::down, 6, 1}}};

/// A pass that stands before linears of a block.
struct Between {
  at::Tensor hidden;  ///< the residual stream, [B, L, H] fp32
  at::Tensor input;   ///< what the next linears are given, [B, L, in]
};

class Decoder {
 public:
  struct Slot {
    LinearSpec spec;
    std::unique_ptr<Linear> linear;
  };
  struct NamedTensor {
    std::string name;   ///< "model.layers.0.input_layernorm.weight"
    at::Tensor tensor;  ///< fp32 [n]
  };

  /// With `dense` every slot holds the model's own weight (the teacher); without, slots are empty and must be
  /// filled before use, so that no float weight of the body is ever loaded.
  Decoder(const ModelFiles& files, at::Device device, bool dense);
  ~Decoder();

  /// A whole pass: begin, embed, every block, finish. input_ids [B, L] int64; mask [B, K] (1 = attend) or
  /// undefined for plain causal attention. Returns the final norm's output [B, L, H], fp32. Positions count
  /// from 0 in every row and K is L; with a `cache` they go on from what it holds, and K counts those too.
  /// `before_layer` is called before each layer; what it throws ends the forward.
  at::Tensor hidden(const at::Tensor& input_ids, const at::Tensor& mask,
                    const std::function<void()>& before_layer = {}, KvCache* cache = nullptr);

  /// The parts of a pass. What its blocks share, for `length` tokens a row from `first_position` on; mask as
  /// above. The state may be used again, for instance for one block on stored inputs.
  AttentionState begin(std::int64_t length, const at::Tensor& mask, std::int64_t first_position = 0,
                       KvCache* cache = nullptr);
  /// input_ids [B, L] -> the stream before the first block.
  Stream embed(const at::Tensor& input_ids);
  /// The stream behind layer `index`. `in.hidden` alone, [B, L, H] fp32, may also be a sum that was stored.
  Stream block(std::size_t index, const Stream& in, const AttentionState& state);
  /// The same block in steps, for callers that change its linears on the way: enter it, then one step for
  /// each of kLinearGroups. A step asks the linears of its group alone. Behind the last one `input` is what
  /// is added to `hidden`.
  Between enter(std::size_t index, const Stream& in);
  Between step(std::size_t index, InputGroup group, const Between& at, const AttentionState& state);
  /// The stream behind the last block -> the final norm's output.
  at::Tensor finish(const Stream& stream);

  /// hidden [..., H] fp32 times the head: logits [..., V] fp32, in fp32 whatever the compute dtype (bf16
  /// logits would tie). For tests, scoring and decoding; training fuses the head into the loss.
  at::Tensor logits(const at::Tensor& hidden);
  /// From now on `logits` asks this linear. It stands for the same head, in another form.
  void set_head(std::unique_ptr<Linear> head);

  const Architecture& architecture() const;
  std::vector<Slot>& slots();
  /// input_layernorm, post_attention_layernorm of every layer, then the final norm: the tensors that
  /// --train-norms-only trains. Mutable: `set_norm` replaces one by another leaf (a view of a flat buffer).
  std::vector<NamedTensor> norms() const;
  void set_norm(const std::string& name, at::Tensor tensor);
  /// [V, H] in the compute dtype (cached per dtype; fp32 made on demand).
  at::Tensor head_weight(at::ScalarType dtype);
  /// Drops the cached copy of that dtype (the fp32 one of a bf16 run is large and rarely needed).
  void release_head_weight(at::ScalarType dtype);
  /// GEMM dtype from now on: at::kFloat or at::kBFloat16.
  void set_compute(at::ScalarType dtype);
  at::ScalarType compute() const;
  /// Recompute each layer in backward instead of keeping its activations.
  void set_gradient_checkpointing(bool on);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace anemll
