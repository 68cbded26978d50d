#include "src/snap/grid.hpp"

#include "anemll/comm/communicator.hpp"
#include "anemll/core/log.hpp"
#include "src/core/signals.hpp"
#include "src/distill/sample_scores.hpp"
#include "src/snap/internal/verify.hpp"

#include <cmath>
#include <cstddef>
#include <memory>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

namespace anemll {
namespace {

double squared(const at::Tensor& x) {
  const double norm = x.norm().item<double>();
  return norm * norm;
}

}  // namespace

GridCost put_on_grid(Student& student, const std::optional<KdBatch>& samples) {
  const at::NoGradGuard no_grad;
  const auto comm = make_single_communicator();
  student.set_evaluation();
  std::optional<TeacherRows> before;
  if (samples)
    before = TeacherRows{teacher_states(student.decoder(), *samples, *comm),
                         student.decoder().head_weight(at::kFloat).cpu()};
  GridCost cost;
  double error = 0, weight = 0;
  const std::size_t count = student.layers().size();
  Progress bar("8-bit scales", static_cast<std::int64_t>(count), "linears");
  for (std::size_t i = 0; i < count; ++i) {
    leave_on_signal("rounding scales to 8 bits", "nothing was written: run the same command again");
    std::int64_t raised = 0;
    const at::Tensor old = student.layers()[i]->effective_weight(at::kFloat).cpu();
    std::unique_ptr<QuantLayer> layer = student.layers()[i]->on_scale_grid(raised);
    weight += squared(old);
    if (layer) {
      error += squared(layer->effective_weight(at::kFloat).cpu().sub(old));
      ++cost.layers;
      cost.raised += raised;
      student.replace_layer(i, std::move(layer));
    }
    bar.update(static_cast<std::int64_t>(i) + 1);
  }
  bar.finish();
  cost.weight_error = weight > 0 ? std::sqrt(error / weight) : 0;
  student.set_evaluation();
  if (before) {
    const SampleScores scores = score_samples(student.decoder(), *samples, *before, kSnapTemperature, *comm);
    if (scores.divergence) cost.kl = scores.divergence->mean;
  }
  return cost;
}

}  // namespace anemll
