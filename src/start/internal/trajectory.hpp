// The stream of a set of sequences on its way through a decoder, block by block: what stands before the block
// of the moment, and what a linear of that block is given. Each sequence is a forward pass of its own, so
// that nothing depends on how sequences are shared out.
#pragma once

#include "src/model/decoder.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

class Trajectory {
 public:
  /// `ids` [N, L] int64, `mask` [N, L] uint8 or undefined; `rows`: which of them are this rank's. Starts
  /// before block 0. The decoder must outlive it and needs the linears of the block of the moment alone.
  Trajectory(Decoder& decoder, const at::Tensor& ids, const at::Tensor& mask, std::vector<std::int64_t> rows);

  std::size_t count() const { return streams_.size(); }
  std::int64_t row(std::size_t i) const { return rows_[i]; }

  /// The stream behind block `block`, [1, L, H] fp32, of sequence i; nothing is moved.
  at::Tensor behind(std::size_t block, std::size_t i);
  /// Sequence i goes on with this stream, and is in no block.
  void move(std::size_t i, at::Tensor behind);

  /// All sequences go through a block in the steps of Decoder::step; linears behind the step of the moment
  /// need no weights.
  void enter(std::size_t block);
  /// What the linears of the next step are given, [L, in].
  at::Tensor input(std::size_t i) const { return between_[i].input.flatten(0, 1); }
  /// The residual stream beside it, [L, H].
  at::Tensor residual(std::size_t i) const { return between_[i].hidden.flatten(0, 1); }
  void step(std::size_t block, InputGroup group);
  /// Behind the last step: the same as behind() gives.
  at::Tensor left(std::size_t i) const;

 private:
  AttentionState state(std::size_t i);

  Decoder& decoder_;
  at::Tensor mask_;
  std::vector<std::int64_t> rows_;
  std::vector<at::Tensor> streams_;  // [1, L, H] of each row
  std::vector<Between> between_;     // instead, of those that are in a block
  std::int64_t length_;
};

}  // namespace anemll
