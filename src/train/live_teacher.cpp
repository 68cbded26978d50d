#include "src/train/internal/live_teacher.hpp"

#include "src/distill/objective.hpp"

#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mm.h>

namespace anemll {

bool needs_live_teacher(const TrainOptions& options, const KdCacheInfo& cache) {
  return options.teacher_model && cache.hidden == 0 && options.kd_objective->payloads.has(Payload::hidden);
}

LiveTeacher::LiveTeacher(const ModelFiles& files, at::Device device, at::ScalarType compute)
    : decoder_(files, device, /*dense=*/true), compute_(compute) {
  decoder_.set_compute(compute);
}

void LiveTeacher::add_to(BatchTensors& batch, bool first_choice) {
  const at::NoGradGuard no_grad;
  batch.teacher_hidden =
      decoder_.hidden(batch.input_ids, batch.mask).narrow(1, 0, batch.positions).to(at::kHalf);
  if (first_choice && batch.targets.topk_idx.size(1) == 0) add_first_choice(batch);
}

void LiveTeacher::add_first_choice(BatchTensors& batch) {
  const at::Tensor head = decoder_.head_weight(compute_);
  const at::Tensor hidden = batch.teacher_hidden.flatten(0, 1).to(compute_);
  std::vector<at::Tensor> values, ids;
  for (const at::Tensor& rows : hidden.split(KdLossOptions().chunk_tokens)) {
    const auto [best, id] = at::mm(rows, head.t()).max(1, /*keepdim=*/true);
    values.push_back(best.to(at::kHalf));
    ids.push_back(id.to(at::kInt));
  }
  batch.targets.topk_logits = at::cat(values);
  batch.targets.topk_idx = at::cat(ids);
}

}  // namespace anemll
