#include "src/snap/internal/verify.hpp"

#include "anemll/comm/communicator.hpp"
#include "anemll/core/log.hpp"
#include "src/core/signals.hpp"
#include "src/distill/sample_scores.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include <ATen/core/grad_mode.h>

namespace anemll {
namespace {

// Half rounding of scales moves the loss by 1e-4 to 1e-3 of it, and to the better where training rounded too;
// what a consumer would notice starts above. The absolute bound is for small losses, whose differences are
// noise.
constexpr double kLossTolerance = 1e-3;
constexpr double kRelativeLossTolerance = 2e-3;
// What rounding to half leaves between the trained model and the file, in nats a token over the whole
// vocabulary, stays far below: more is a file of another model.
constexpr double kKlTolerance = 1e-3;

/// KD loss and KL from the trained model, whose states `trained` holds.
SampleScores score(const ModelFiles& files, const TensorMap& written, Consumer consumer,
                   const KdBatch& samples, const TeacherRows& trained, at::Device device,
                   Communicator& comm) {
  Decoder decoder(files, device, false);
  for (Decoder::Slot& slot : decoder.slots()) {
    slot.linear = std::make_unique<ConsumerLinear>(written, slot.spec.name, consumer, device);
  }
  return score_samples(decoder, samples, trained, kSnapTemperature, comm);
}

/// Squared norms of what a layer differs by, per consumer, and of the trained weight.
struct WeightErrors {
  std::array<double, kConsumers.size()> squared{};
  double trained = 0;
};

double relative(double squared, double trained) {
  return std::sqrt(squared / std::max(trained, 1e-300));
}

double squared_norm(const at::Tensor& x) {
  const double norm = x.norm().item<double>();
  return norm * norm;
}

std::size_t index_of(Consumer consumer) {
  return static_cast<std::size_t>(std::find(kConsumers.begin(), kConsumers.end(), consumer) -
                                  kConsumers.begin());
}

WeightErrors compare(const at::Tensor& trained, const SnappedLayer& layer, const ScaleFacts& facts) {
  WeightErrors errors;
  errors.trained = squared_norm(trained);
  for (std::size_t i = 0; i < kConsumers.size(); ++i) {
    const Consumer same = same_reading(kConsumers[i], facts);
    errors.squared[i] = same == kConsumers[i] ? squared_norm(effective_weight(layer, same).sub(trained))
                                              : errors.squared[index_of(same)];
  }
  return errors;
}

/// What holds for every layer.
ScaleFacts common_facts(const std::vector<LayerFinding>& layers) {
  ScaleFacts common;
  const auto all = [&layers](bool ScaleFacts::*fact) {
    return std::all_of(layers.begin(), layers.end(),
                       [fact](const LayerFinding& layer) { return layer.facts.*fact; });
  };
  common.weight_is_q = all(&ScaleFacts::weight_is_q);
  common.unit_magnitude = all(&ScaleFacts::unit_magnitude);
  common.baked = all(&ScaleFacts::baked);
  // With `.lut` in some layers that reading is its own for all.
  common.has_lut = std::any_of(layers.begin(), layers.end(),
                               [](const LayerFinding& layer) { return layer.facts.has_lut; });
  return common;
}

}  // namespace

std::vector<SnapLayer> snap_layers(Student& student) {
  std::vector<SnapLayer> result;
  for (std::size_t i = 0; i < student.layers().size(); ++i) {
    const LinearSpec& spec = student.decoder().slots()[i].spec;
    result.push_back({student.layers()[i], *student.files().tensors.find(spec.name + ".weight")});
  }
  return result;
}

ModelFiles reread_model(const ModelFiles& trained, const TensorMap& written) {
  ModelFiles files = trained;
  for (const TensorSpec& spec : expected_tensors(trained.architecture)) {
    if (const HostTensor* tensor = written.find(spec.name)) files.tensors.set(spec.name, *tensor);
  }
  return files;
}

SnapReport verify_snap(Student& student, const TensorMap& written, const SnapVerifyOptions& options) {
  const at::NoGradGuard no_grad;
  SnapReport report;
  report.half = options.snap.half;
  report.layout = choice_name(options.snap.layout);
  report.gate = is_baked(options.snap.layout) ? Consumer::raw : Consumer::reference;
  const std::size_t gate = index_of(report.gate);

  WeightErrors sum;
  for (const QuantLayer* linear : student.layers()) {
    leave_on_signal("verifying the snapped file", "it is not verified: run the same command again");
    const SnappedLayer snapped = read_snapped_layer(written, linear->name());
    const ScaleFacts facts = scale_facts(snapped);
    const WeightErrors errors = compare(linear->effective_weight(at::kFloat).cpu(), snapped, facts);
    for (std::size_t c = 0; c < kConsumers.size(); ++c) sum.squared[c] += errors.squared[c];
    sum.trained += errors.trained;
    report.layers.push_back({linear->name(), facts, relative(errors.squared[gate], errors.trained)});
  }
  for (std::size_t c = 0; c < kConsumers.size(); ++c) {
    report.scores.push_back(
        {kConsumers[c], std::nullopt, relative(sum.squared[c], sum.trained), std::nullopt});
  }

  report.tolerance = kSnapWeightTolerance;
  if (options.samples) {
    const auto comm = make_single_communicator();
    const KdBatch& samples = *options.samples;
    const ModelFiles reread = reread_model(student.files(), written);
    const ScaleFacts facts = common_facts(report.layers);
    Progress bar("Scoring", static_cast<std::int64_t>(kConsumers.size()) + 1, "readings");
    student.set_evaluation();
    report.samples = samples.rows;
    report.trained_kd_loss = sample_kd_loss(student.decoder(), samples, kSnapTemperature, *comm);
    const TeacherRows trained{teacher_states(student.decoder(), samples, *comm),
                              student.decoder().head_weight(at::kFloat).cpu()};
    std::int64_t done = 1;
    bar.update(done);
    for (ConsumerScore& mine : report.scores) {
      const Consumer same = same_reading(mine.consumer, facts);
      if (same == mine.consumer) {
        const SampleScores scores = score(reread, written, same, samples, trained, options.device, *comm);
        mine.kd_loss = scores.loss;
        if (scores.divergence) mine.kl = scores.divergence->mean;
      } else {
        mine.kd_loss = report.scores[index_of(same)].kd_loss;
        mine.kl = report.scores[index_of(same)].kl;
      }
      bar.update(++done, name_of(mine.consumer));
    }
    bar.finish();
    report.tolerance = std::max(kLossTolerance, kRelativeLossTolerance * *report.trained_kd_loss);
    report.kl_tolerance = kKlTolerance;
  }
  // Written so that NaN fails.
  report.passed =
      report.gate_difference() <= report.tolerance && report.gate_kl().value_or(0) <= kKlTolerance;
  return report;
}

}  // namespace anemll
