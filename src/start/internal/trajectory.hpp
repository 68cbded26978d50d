// The stream of a set of sequences on its way through a decoder, block by block: what stands before the block
// of the moment, and what a linear of that block is given. Each sequence is a forward pass of its own, so
// that nothing depends on how sequences are shared out.
#pragma once

#include "src/model/decoder.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

/// Linears of a block that share their input: places in the order q, k, v, o, gate, up, down.
struct LinearGroup {
  std::size_t first, count;
};
/// In the order of the pass: what one is given depends on those before it.
inline constexpr std::array<LinearGroup, 4> kLinearGroups = {{{0, 3}, {3, 1}, {4, 2}, {6, 1}}};

class Trajectory {
 public:
  /// `ids` [N, L] int64, `mask` [N, L] uint8 or undefined; `rows`: which of them are this rank's. Starts
  /// before block 0. The decoder must outlive it and needs the linears of the block of the moment alone.
  Trajectory(Decoder& decoder, const at::Tensor& ids, const at::Tensor& mask, std::vector<std::int64_t> rows);

  std::size_t count() const { return streams_.size(); }
  std::int64_t row(std::size_t i) const { return rows_[i]; }

  /// The stream behind block `block`, [1, L, H] fp32, of sequence i; nothing is moved.
  at::Tensor behind(std::size_t block, std::size_t i);
  /// What the linears of a group are given, [L, in]. The pass ends there: they and those behind them need no
  /// weights.
  at::Tensor input_of(std::size_t block, const LinearGroup& group, std::size_t i);
  /// Sequence i goes on with this stream.
  void move(std::size_t i, at::Tensor behind) { streams_[i] = std::move(behind); }

 private:
  Stream run(std::size_t block, std::size_t i);
  AttentionState state(std::size_t i);

  Decoder& decoder_;
  at::Tensor mask_;
  std::vector<std::int64_t> rows_;
  std::vector<at::Tensor> streams_;  // [1, L, H] of each of the rows
  std::int64_t length_;
};

}  // namespace anemll
