// What each token of some rows counts in the moments of each input of a model's blocks: --token-weight, for
// all of its values.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/model/model_files.hpp"
#include "src/calib/moment_sum.hpp"
#include "src/calib/token_weights.hpp"
#include "src/model/decoder.hpp"

#include <cstddef>
#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll {

class TokenWeigher {
 public:
  /// For the rows of `share`, of ids [N, L] int64 and mask [N, L] uint8 or undefined. `fisher` passes them
  /// through the whole model, forward and backward. Collective; a signal is then StopError on all ranks.
  TokenWeigher(TokenWeight kind, const ModelFiles& model, const at::Tensor& ids, const at::Tensor& mask,
               SequenceShare share, Communicator& comm);

  /// [L] fp32 in natural units, so that sums of several runs add up; Moments::normalise makes their mean 1.
  /// Undefined where each token counts 1. `outputs` [L, H] fp32: the stream behind the block.
  at::Tensor weights(std::int64_t row, std::size_t block, InputGroup input, const at::Tensor& outputs) const;

 private:
  TokenWeight kind_;
  at::Tensor mask_;
  SequenceShare share_;
  at::Tensor fisher_;  // [rows of the share, blocks, kLinearGroups.size(), L]
};

/// For each token the label that the model itself would give it, [L] int64: drawn from softmax(logits),
/// logits [L, V] fp32. The same for the same `row`, whoever draws.
at::Tensor sampled_labels(const at::Tensor& logits, std::int64_t row);

}  // namespace anemll
