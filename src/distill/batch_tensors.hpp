// A cache batch as the tensors that the model and the loss take.
#pragma once

#include "anemll/data/kd_cache.hpp"
#include "src/distill/kd_loss.hpp"

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll {

struct BatchTensors {
  at::Tensor input_ids;          ///< [B, L] int64
  at::Tensor mask;               ///< [B, L] uint8, or undefined when every position is attended
  KdTargets targets;             ///< N = B * positions rows
  at::Tensor lse_t1, lse_train;  ///< [N] of batches that were read with them, else undefined
  at::Tensor teacher_hidden;     ///< [B, positions, H] half, the same
  std::int64_t rows = 0;
  std::int64_t positions = 0;  ///< supervised positions: min(L - 1, cached)
};

/// CPU tensors may view `batch`, which must outlive them. A position counts (weight 1) unless its row is
/// padding or, in a batch with any masked token, the token it predicts is masked.
BatchTensors to_tensors(const KdBatch& batch, at::Device device);

/// A row counts and has a position that does.
bool is_supervised(const KdBatch& batch, std::int64_t row);
/// Takes the rows that teach nothing (missing ones, masks without supervision) out of `batch`. Where none
/// would be left one stays, as a missing row with an open mask, so that every rank has something to run.
void keep_supervised(KdBatch& batch);

/// The hidden states of a batch that was read with them, [B, cached positions, H] half: a view.
at::Tensor hidden_of(const KdBatch& batch);

/// Uniform negatives [N, count] int32, none of them among the row's candidates. A pure function of
/// (seed, micro_step, number of the row in the cache, position): the same at every rank count.
at::Tensor sample_negatives(const KdBatch& batch, std::int64_t vocab_size, std::int64_t count,
                            std::uint64_t seed, std::int64_t micro_step);

}  // namespace anemll
