#include "src/train/evaluate.hpp"

#include "src/train/batch_tensors.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include <ATen/core/grad_mode.h>

namespace anemll {
namespace {

constexpr std::int64_t kRowsPerForward = 8;

KdBatch slice(const KdBatch& all, std::int64_t first, std::int64_t count) {
  KdBatch out;
  out.rows = count;
  out.length = all.length;
  out.positions = all.positions;
  out.topk = all.topk;
  const auto cut = [&](const auto& from, auto& to, std::int64_t width) {
    to.assign(from.begin() + first * width, from.begin() + (first + count) * width);
  };
  cut(all.input_ids, out.input_ids, all.length);
  cut(all.attention_mask, out.attention_mask, all.length);
  cut(all.topk_idx, out.topk_idx, all.positions * all.topk);
  cut(all.topk_logits, out.topk_logits, all.positions * all.topk);
  cut(all.row_weight, out.row_weight, 1);
  return out;
}

KdTargets row_targets(const KdTargets& all, std::int64_t first, std::int64_t count) {
  return {all.topk_idx.narrow(0, first, count),
          all.topk_logits.narrow(0, first, count),
          {},
          all.weight.narrow(0, first, count)};
}

}  // namespace

double evaluate_kd(Decoder& decoder, const KdBatch& samples, double temperature, Communicator& comm) {
  const at::NoGradGuard no_grad;
  const at::ScalarType compute = decoder.compute();
  decoder.set_compute(at::kFloat);
  const at::Tensor head = decoder.head_weight(at::kFloat);
  KdLossOptions options;
  options.temperature = temperature;

  // One slot per sequence, so that the sum does not depend on how the sequences are shared out.
  std::vector<double> losses(static_cast<std::size_t>(samples.rows), 0.0);
  const std::int64_t share = (samples.rows + comm.size() - 1) / comm.size();
  const std::int64_t end = std::min(samples.rows, share * (comm.rank() + 1));
  for (std::int64_t first = share * comm.rank(); first < end; first += kRowsPerForward) {
    const KdBatch part = slice(samples, first, std::min(kRowsPerForward, end - first));
    const BatchTensors batch = to_tensors(part, head.device());
    const at::Tensor hidden = decoder.hidden(batch.input_ids, batch.mask).narrow(1, 0, batch.positions);
    for (std::int64_t row = 0; row < batch.rows; ++row) {
      const KdTargets targets = row_targets(batch.targets, row * batch.positions, batch.positions);
      const KdLossSums sums = kd_loss(hidden.select(0, row).contiguous(), head, targets, options, {});
      losses[static_cast<std::size_t>(first + row)] = sums.kl / std::max(sums.tokens, 1.0);
    }
  }
  decoder.set_compute(compute);
  comm.all_reduce(std::span<double>(losses), ReduceOp::sum);
  return std::accumulate(losses.begin(), losses.end(), 0.0) /
         static_cast<double>(std::max<std::int64_t>(samples.rows, 1));
}

}  // namespace anemll
