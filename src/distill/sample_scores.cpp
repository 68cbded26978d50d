#include "src/distill/sample_scores.hpp"

#include "src/distill/batch_tensors.hpp"
#include "src/model/wide_compute.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

namespace anemll {
namespace {

constexpr std::int64_t kRowsPerForward = 8;
constexpr const char* kStartAgain = "nothing of it was kept: run the same command again";

KdTargets row_targets(const KdTargets& all, std::int64_t first, std::int64_t count) {
  KdTargets row;
  row.topk_idx = all.topk_idx.narrow(0, first, count);
  row.topk_logits = all.topk_logits.narrow(0, first, count);
  row.weight = all.weight.narrow(0, first, count);
  return row;
}

/// body(first row, batch, hidden [rows, positions, H]) for this rank's share, a few rows at a time, in fp32,
/// and before it each_row(row of the batch, the same) for each of them. Ranks make equally many rounds and
/// look for a signal before each layer of a forward, which is less work than a row of it, and before each row
/// behind it: StopError then, on all of them.
template <class EachRow, class Body>
void for_share(Decoder& decoder, const KdBatch& samples, Communicator& comm, const EachRow& each_row,
               const Body& body) {
  const at::NoGradGuard no_grad;
  const WideCompute wide(decoder);
  const at::Device device = decoder.head_weight(at::kFloat).device();
  const std::int64_t share = (samples.rows + comm.size() - 1) / comm.size();
  const std::int64_t begin = share * comm.rank();
  const std::int64_t end = std::min(samples.rows, begin + share);
  const std::int64_t layers = decoder.architecture().layer_count();
  const auto look = [&comm] { leave_together(comm, "evaluating", kStartAgain); };
  for (std::int64_t done = 0; done < share; done += kRowsPerForward) {
    const std::int64_t first = begin + done;
    const std::int64_t rows = std::max<std::int64_t>(0, std::min(kRowsPerForward, end - first));
    KdBatch part;
    BatchTensors batch;  // may view it
    at::Tensor hidden;
    if (rows > 0) {
      part = samples.slice(first, rows);
      batch = to_tensors(part, device);
      hidden = decoder.hidden(batch.input_ids, batch.mask, look).narrow(1, 0, batch.positions);
    } else {
      for (std::int64_t layer = 0; layer < layers; ++layer) look();  // as often as those with rows
    }
    for (std::int64_t row = 0; row < std::min(kRowsPerForward, share - done); ++row) {
      look();
      if (row < rows) each_row(row, first, batch, hidden);
    }
    if (rows > 0) body(first, batch, hidden);
  }
}

}  // namespace

SampleScores score_samples(Decoder& decoder, const KdBatch& samples, const TeacherRows& teacher,
                           double temperature, Communicator& comm) {
  const at::Tensor head = decoder.head_weight(at::kFloat);
  KdLossOptions options;
  options.temperature = temperature;

  // One slot per sequence and per position, so that no sum depends on how the sequences are shared out.
  std::vector<double> losses(static_cast<std::size_t>(samples.rows), 0.0);
  const std::int64_t positions = std::min(samples.length - 1, samples.positions);
  std::vector<PositionScore> scores(
      teacher.hidden.defined() ? static_cast<std::size_t>(samples.rows * positions) : 0);
  for_share(
      decoder, samples, comm,
      [&](std::int64_t row, std::int64_t first, const BatchTensors& batch, const at::Tensor& hidden) {
        if (samples.topk == 0) return;
        const KdTargets targets = row_targets(batch.targets, row * positions, positions);
        const KdLossSums sums = kd_loss(hidden.select(0, row).contiguous(), head, targets, options, {});
        losses[static_cast<std::size_t>(first + row)] = sums.kl / std::max(sums.tokens, 1.0);
      },
      [&](std::int64_t first, const BatchTensors& batch, const at::Tensor& hidden) {
        if (scores.empty()) return;
        const auto part = std::span<PositionScore>(scores).subspan(
            static_cast<std::size_t>(first * positions), static_cast<std::size_t>(batch.rows * positions));
        const at::Tensor known = teacher.hidden.narrow(0, first, batch.rows).narrow(1, 0, positions);
        score_positions({known.flatten(0, 1), teacher.head}, {hidden.flatten(0, 1), head}, {}, part);
        const at::Tensor weight = batch.targets.weight.cpu();
        for (std::size_t i = 0; i < part.size(); ++i) {
          if (weight.const_data_ptr<float>()[i] == 0) part[i] = {};
        }
        // Without candidates the whole vocabulary says how far the student is.
        for (std::int64_t row = 0; samples.topk == 0 && row < batch.rows; ++row) {
          const DivergenceSummary found = summarise(
              part.subspan(static_cast<std::size_t>(row * positions), static_cast<std::size_t>(positions)));
          if (found.positions > 0) losses[static_cast<std::size_t>(first + row)] = found.mean;
        }
      });
  comm.all_reduce(std::span<double>(losses), ReduceOp::sum);
  SampleScores out;
  std::int64_t counted = 0;  // rows without supervision have no loss
  for (std::int64_t row = 0; row < samples.rows; ++row) counted += is_supervised(samples, row) ? 1 : 0;
  const bool unknown = counted == 0 || (samples.topk == 0 && scores.empty());
  out.loss = unknown ? std::numeric_limits<double>::quiet_NaN()
                     : std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(counted);
  if (!scores.empty()) {
    share_scores(scores, comm);
    out.divergence = summarise(scores);
    out.scores = std::move(scores);
  }
  return out;
}

double sample_kd_loss(Decoder& decoder, const KdBatch& samples, double temperature, Communicator& comm) {
  return score_samples(decoder, samples, {}, temperature, comm).loss;
}

at::Tensor teacher_states(Decoder& teacher, const KdBatch& samples, Communicator& comm) {
  const std::int64_t positions = std::min(samples.length - 1, samples.positions);
  at::Tensor out = at::zeros({samples.rows, positions, teacher.architecture().hidden_size}, at::kFloat);
  const auto nothing = [](auto&&...) {};
  for_share(teacher, samples, comm, nothing,
            [&](std::int64_t first, const BatchTensors& batch, const at::Tensor& hidden) {
              out.narrow(0, first, batch.rows).copy_(hidden);
            });
  return out;
}

}  // namespace anemll
