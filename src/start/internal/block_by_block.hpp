// The pass of a start over the blocks of a model: one block after the other, of each the linears in the order
// of their inputs.
#pragma once

#include "src/calib/token_weigher.hpp"
#include "src/start/internal/block_store.hpp"
#include "src/start/internal/trajectory.hpp"
#include "src/start/start.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <vector>

namespace anemll {

class BlockByBlock {
 public:
  BlockByBlock(const ModelFiles& model, const QuantSpec& spec, const StartText& text,
               const StartOptions& options, Communicator& comm);

  /// All blocks. The tensors of every linear by their names, biases included. Collective.
  TensorMap run(std::vector<BlockReport>& reports);

 private:
  void open_block(std::size_t block);
  void close_block(std::size_t block);
  /// The teacher's streams behind the block, of this rank's sequences, and where targets are corrected what
  /// its linears are given.
  void look_at_teacher(std::size_t block);
  /// Whether the teacher's inputs are looked at beside the student's.
  bool corrects() const;
  SolveMoments moments_of(std::size_t block, const LinearGroup& group);
  void fit(std::size_t block, KeptBlock& made, BlockReport& report);
  void install(std::size_t block, std::size_t linear, const LayerTensors& tensors);
  /// Both trajectories go on behind the block, which the student has passed in fit() unless it was kept; the
  /// error of the student's.
  double advance(std::size_t block, bool was_kept);
  void tell(std::size_t block, const BlockReport& report, bool was_kept);

  const ModelFiles& model_;
  const QuantSpec& spec_;
  const StartText& text_;
  const StartOptions& options_;
  Communicator& comm_;
  std::vector<LinearSpec> linears_;
  Decoder teacher_model_, student_model_;
  Trajectory teacher_, student_;
  BlockStore store_;
  TokenWeigher weigher_;
  /// What linears of the teacher are given, [L, in], and the stream [L, H] that their outputs join.
  struct Seen {
    at::Tensor input, residual;
  };
  std::array<std::vector<Seen>, kLayerLinears> seen_;  // by the first linear of a group, and the sequence
  std::vector<at::Tensor> behind_;  // the teacher's streams behind the block of the moment, [1, L, H]
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::size_t made_ = 0;  // blocks that this process made
};

}  // namespace anemll
