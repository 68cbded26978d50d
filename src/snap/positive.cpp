#include "src/snap/positive.hpp"

#include "anemll/comm/communicator.hpp"
#include "anemll/core/log.hpp"
#include "src/core/signals.hpp"
#include "src/distill/sample_scores.hpp"
#include "src/model/input_sums.hpp"
#include "src/snap/internal/verify.hpp"

#include <cmath>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

namespace anemll {
namespace {

/// The states of the trained model on the samples, and for each linear the sum of its squared inputs [in].
struct Observed {
  TeacherRows trained;
  std::vector<at::Tensor> squares;
};

Observed observe(Student& student, const KdBatch& samples, Communicator& comm) {
  Decoder& decoder = student.decoder();
  Observed seen;
  seen.squares = sums_of_inputs(
      decoder, [](const at::Tensor& x) { return x.to(at::kDouble).square().sum(0); },
      [&] {
        seen.trained = {teacher_states(decoder, samples, comm), decoder.head_weight(at::kFloat).cpu()};
      });
  return seen;
}

double root(double part, double whole) {
  return whole > 0 ? std::sqrt(part / whole) : 0;
}

}  // namespace

PositiveCost make_positive(Student& student, const std::optional<KdBatch>& samples, bool half) {
  const at::NoGradGuard no_grad;
  const auto comm = make_single_communicator();
  student.set_evaluation();
  Observed seen;
  if (samples) seen = observe(student, *samples, *comm);

  PositiveCost cost;
  cost.by_outputs = samples.has_value();
  double error = 0, clamped = 0, weight = 0;
  const std::size_t count = student.layers().size();
  Progress bar("Positive scales", static_cast<std::int64_t>(count), "linears");
  for (std::size_t i = 0; i < count; ++i) {
    leave_on_signal("fitting positive scales", "nothing was written: run the same command again");
    PositiveFit fit;
    std::unique_ptr<QuantLayer> layer =
        student.layers()[i]->positive(samples ? seen.squares[i] : at::Tensor(), half, fit);
    error += fit.squared_error;
    clamped += fit.squared_clamped;
    weight += fit.squared_weight;
    cost.below += fit.below;
    cost.recoded += fit.recoded;
    if (layer) {
      ++cost.layers;
      student.replace_layer(i, std::move(layer));
    }
    bar.update(static_cast<std::int64_t>(i) + 1);
  }
  bar.finish();
  cost.weight_error = root(error, weight);
  cost.clamped_error = root(clamped, weight);
  student.set_evaluation();
  if (samples) {
    const SampleScores scores =
        score_samples(student.decoder(), *samples, seen.trained, kSnapTemperature, *comm);
    if (scores.divergence) cost.kl = scores.divergence->mean;
  }
  return cost;
}

}  // namespace anemll
