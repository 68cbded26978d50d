#include "src/inspect/kd_gradients.hpp"

#include "src/distill/batch_tensors.hpp"
#include "src/model/torch_backward.hpp"

#include <algorithm>

#include <ATen/ops/empty_like.h>

namespace anemll {
namespace {

constexpr std::int64_t kRowsPerPass = 8;

void want_gradients(Student& student) {
  for (QuantLayer* layer : student.layers()) {
    // Where a snap left table values in the place of V1's weight, its rule for scales speaks of others.
    if (layer->quant().snapped != V1Snap::none) continue;
    for (const LayerTensor& tensor : layer->tensor_table()) {
      const bool trained = tensor.row.role == LayerRole::trained;
      if (!trained || !tensor.slot->defined() || !tensor.slot->is_floating_point()) continue;
      tensor.slot->set_requires_grad(true);
      tensor.slot->mutable_grad().reset();
    }
  }
}

}  // namespace

KdLossSums kd_gradients(Student& student, const KdBatch& rows, const KdLossOptions& loss, at::Device device) {
  KdBatch counted = rows.slice(0, rows.rows);
  keep_supervised(counted);
  want_gradients(student);
  student.set_training(at::kFloat);
  Decoder& decoder = student.decoder();
  KdLossSums sums;
  for (std::int64_t first = 0; first < counted.rows; first += kRowsPerPass) {
    const KdBatch part = counted.slice(first, std::min(kRowsPerPass, counted.rows - first));
    const BatchTensors batch = to_tensors(part, device);
    for (QuantLayer* layer : student.layers()) layer->begin_micro_step(first + kRowsPerPass >= counted.rows);
    const at::Tensor hidden = decoder.hidden(batch.input_ids, batch.mask);         // [B, L, H]
    const at::Tensor scored = hidden.narrow(1, 0, batch.positions).flatten(0, 1);  // [N, H]
    const at::Tensor detached = scored.detach();
    at::Tensor gradient = at::empty_like(detached);
    const KdLossSums more = kd_loss(detached, decoder.head_weight(at::kFloat), batch.targets, loss, gradient);
    if (scored.requires_grad()) run_backward(scored, gradient);
    sums.total += more.total;
    sums.kl += more.kl;
    sums.ce += more.ce;
    sums.sampled_ce += more.sampled_ce;
    sums.tokens += more.tokens;
  }
  student.set_evaluation();
  return sums;
}

}  // namespace anemll
