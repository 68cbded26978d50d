// What an evaluation measures on cached sequences: the reference's metric (KD loss without hard terms, fp32,
// arithmetic mean over the per-sequence means), and the divergence over the whole vocabulary where the
// teacher's hidden states are known.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/data/kd_cache.hpp"
#include "src/model/decoder.hpp"
#include "src/score/divergence.hpp"

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

/// `samples`: the same rows on every rank; each rank scores its share and all get the mean. The decoder
/// computes in fp32 meanwhile (its compute dtype is restored). No gradients. Returns NaN when the model
/// produces NaN. A signal is StopError on all ranks before the next layer or row, here and below: nothing of
/// the evaluation is kept.
double sample_kd_loss(Decoder& decoder, const KdBatch& samples, double temperature, Communicator& comm);

/// What the teacher says about the samples.
struct TeacherRows {
  at::Tensor hidden;  ///< [rows, positions, H]; only this rank's share is read
  at::Tensor head;    ///< [V, H]
};

struct SampleScores {
  /// sample_kd_loss; of rows without top-k logits the divergence at T = 1 instead. NaN when no row has a
  /// supervised position, and without both top-k logits and teacher.
  double loss = 0;
  std::optional<DivergenceSummary> divergence;
  std::vector<PositionScore> scores;  ///< of that: by row and position; not counted where there is nothing
};
/// Both figures from one forward; the divergence when `teacher` has hidden states.
SampleScores score_samples(Decoder& decoder, const KdBatch& samples, const TeacherRows& teacher,
                           double temperature, Communicator& comm);

/// The hidden states [rows, positions, H] of a teacher for this rank's share of the samples; zeros elsewhere.
at::Tensor teacher_states(Decoder& teacher, const KdBatch& samples, Communicator& comm);

}  // namespace anemll
