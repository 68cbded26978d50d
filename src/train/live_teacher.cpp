#include "src/train/internal/live_teacher.hpp"

#include "src/distill/objective.hpp"

#include <ATen/core/grad_mode.h>

namespace anemll {

bool needs_live_teacher(const TrainOptions& options, const KdCacheInfo& cache) {
  return options.teacher_model && cache.hidden == 0 && options.kd_objective->payloads.has(Payload::hidden);
}

LiveTeacher::LiveTeacher(const ModelFiles& files, at::Device device, at::ScalarType compute)
    : decoder_(files, device, /*dense=*/true) {
  decoder_.set_compute(compute);
}

void LiveTeacher::add_hidden(BatchTensors& batch) {
  const at::NoGradGuard no_grad;
  batch.teacher_hidden =
      decoder_.hidden(batch.input_ids, batch.mask).narrow(1, 0, batch.positions).to(at::kHalf);
}

}  // namespace anemll
