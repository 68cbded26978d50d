#include "src/train/internal/stepper.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/signals.hpp"
#include "src/distill/batch_tensors.hpp"
#include "src/distill/objective.hpp"
#include "src/model/torch_backward.hpp"
#include "src/quant/layer.hpp"
#include "src/train/internal/schedule.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_clamp_min.h>
#include <ATen/ops/empty_like.h>

namespace anemll {
namespace {

using Clock = Timeline::Clock;

constexpr std::int64_t kMaxSkippedInRow = 3;
// Ranks meet to share a signal no more often than this: where micro-steps are shorter, the meeting would
// cost.
constexpr double kCheckSeconds = 0.25;
constexpr std::int64_t kToldUnsupervised = 3;
// Rows of logits that a GPU makes at once: the head is read once for each chunk, and a chunk is fifty
// launches.
constexpr std::int64_t kChunkOfGpu = 512;

void add(KdLossSums& into, const KdLossSums& more) {
  into.total += more.total;
  into.kl += more.kl;
  into.ce += more.ce;
  into.sampled_ce += more.sampled_ce;
  into.tokens += more.tokens;
}

double seconds_since(Clock::time_point started) {
  return std::chrono::duration<double>(Clock::now() - started).count();
}

/// None below 0: with factors that are absolute values no scale is then negative.
void keep_magnitudes(const std::vector<QuantLayer*>& layers) {
  std::vector<at::Tensor> magnitudes;
  for (QuantLayer* layer : layers) {
    for (const LayerTensor& tensor : layer->tensor_table()) {
      if (tensor.row.part == TensorPart::magnitudes) magnitudes.push_back(*tensor.slot);
    }
  }
  // A few launches on a GPU, not one a layer.
  if (!magnitudes.empty()) at::_foreach_clamp_min_(magnitudes, at::Scalar(0));
}

}  // namespace

KdLossOptions loss_options(const TrainOptions& o, std::int64_t completed) {
  KdLossOptions loss;
  loss.objective = o.kd_objective;
  loss.temperature = o.temperature;
  loss.sampled_ce_weight = o.sampled_ce_weight;
  if (o.no_full_logits) return loss;
  loss.hard_top1 = annealed_weight(o.hard_top1, o.hard_top1_end, completed, o.max_steps);
  loss.hard_full = o.hard_full;
  return loss;
}

Stepper::Stepper(Assembly& run)
    : run_(run), share_(run.place.comm, run.selection.parameters->numel(), run.options.shard_optimizer) {
  FlatParameters& trained = *run.selection.parameters;
  AdamWOptions adamw;
  adamw.weight_decay = run.options.weight_decay;
  optimizer_ = AdamW(share_.mine(trained.values()), adamw);
  const std::vector<std::int64_t> sizes = trained.sizes();
  reducer_ =
      std::make_unique<BucketReducer>(run.place.device_comm, trained.gradients().data_ptr<float>(), sizes,
                                      static_cast<std::size_t>(run.options.bucket_mib * 1048576.0));
  for (std::size_t l = 0; l < run.student->layers().size(); ++l) {
    run.student->layers()[l]->on_gradients_ready([this, l] {
      for (const std::size_t parameter : run_.selection.of_layer[l]) reducer_->ready(parameter);
    });
  }
}

StepReport Stepper::step(RunNumbers& numbers) {
  const auto started = Clock::now();
  const std::int64_t micro_steps = run_.options.accumulation_steps;
  run_.timeline.set_step(numbers.step + 1);
  StepReport report;
  run_.selection.parameters->zero_gradients();
  for (QuantLayer* layer : run_.student->layers()) layer->begin_step();
  for (std::int64_t i = 0; i < micro_steps; ++i) {
    // Before the last micro-step starts the reduction, so that a stop leaves none half done.
    if (i > 0 && i % check_every_ == 0) {
      const Timeline::Span waiting(run_.timeline, RunPart::reduction);
      leave_together(run_.place.comm, "training", "");
    }
    KdBatch batch = next_batch();
    add(report.loss, micro_step(batch, numbers.step, numbers.step * micro_steps + i, i + 1 == micro_steps));
  }
  share_results(report, started);
  update(numbers, report);
  ++numbers.step;
  if (!report.skipped) {
    numbers.window_loss += report.loss.total / report.loss.tokens;
    ++numbers.window_steps;
  }
  report.seconds = seconds_since(started);
  return report;
}

KdBatch Stepper::next_batch() {
  const Timeline::Span waiting(run_.timeline, RunPart::data);
  return run_.data->next();
}

void Stepper::share_results(StepReport& report, Clock::time_point started) {
  const Timeline::Span reducing(run_.timeline, RunPart::reduction);
  const auto reduced = Clock::now();
  reducer_->finish();
  const double busy_s = seconds_since(started);
  // One small collective makes the loss global and every decision that hangs on it common.
  double sums[] = {report.loss.total,      report.loss.kl,     report.loss.ce,
                   report.loss.sampled_ce, report.loss.tokens, busy_s};
  std::int64_t news[] = {pending_signal(), end_ && Clock::now() >= *end_ ? 1 : 0};
  run_.place.comm.all_reduce(std::span<double>(sums), ReduceOp::sum);
  run_.place.comm.all_reduce(std::span<std::int64_t>(news), ReduceOp::max);
  report.loss = {sums[0], sums[1], sums[2], sums[3], sums[4]};
  report.signal = static_cast<int>(news[0]);
  report.time_is_up = news[1] != 0;
  report.reduction_s = seconds_since(reduced);
  pace_checks(sums[5] / run_.place.comm.size());
}

void Stepper::pace_checks(double seconds) {
  const double each = seconds / static_cast<double>(run_.options.accumulation_steps);
  check_every_ = 1;
  if (each > 0 && each < kCheckSeconds)
    check_every_ = static_cast<std::int64_t>(std::min(std::ceil(kCheckSeconds / each), 1e6));
}

KdLossSums Stepper::micro_step(KdBatch& batch, std::int64_t completed, std::int64_t micro, bool last) {
  keep_supervised(batch);
  BatchTensors tensors = to_tensors(batch, run_.place.device);
  KdLossOptions loss = loss_options(run_.options, completed);
  if (!run_.place.device.is_cpu()) loss.chunk_tokens = kChunkOfGpu;
  if (run_.teacher) {
    const Timeline::Span computing(run_.timeline, RunPart::forward);
    run_.teacher->add_to(tensors, loss.hard_top1 + loss.hard_full > 0);
  }
  add_payloads(tensors, run_.options.kd_objective, run_.options.temperature, run_.data->info());
  if (loss.sampled_ce_weight > 0) {
    tensors.targets.negatives =
        sample_negatives(batch, run_.student->files().architecture.vocab_size, run_.options.sampled_negatives,
                         static_cast<std::uint64_t>(run_.options.seed), micro)
            .to(run_.place.device);
  }

  for (QuantLayer* layer : run_.student->layers()) layer->begin_micro_step(last);
  if (last) reducer_->begin(device_stream(run_.place.device));
  Decoder& decoder = run_.student->decoder();
  at::Tensor scored;  // [N, H]
  {
    const Timeline::Span computing(run_.timeline, RunPart::forward);
    const at::Tensor hidden = decoder.hidden(tensors.input_ids, tensors.mask);  // [B, L, H]
    scored = hidden.narrow(1, 0, tensors.positions).flatten(0, 1);
  }
  const at::Tensor detached = scored.detach();
  at::Tensor gradient = at::empty_like(detached);
  KdLossSums sums;
  {
    const Timeline::Span computing(run_.timeline, RunPart::head);
    sums = kd_loss(detached, decoder.head_weight(run_.place.compute), tensors.targets, loss, gradient);
  }
  const Timeline::Span computing(run_.timeline, RunPart::backward);
  run_backward(scored, gradient);
  return sums;
}

void Stepper::update(RunNumbers& numbers, StepReport& report) {
  const Timeline::Span updating(run_.timeline, RunPart::update);
  report.lr = run_.options.lr * lr_multiplier(schedule_of(run_.options), numbers.step);
  if (report.loss.tokens == 0) return skip_unsupervised(numbers, report);
  unsupervised_in_row_ = 0;
  FlatParameters& trainable = *run_.selection.parameters;
  const at::NoGradGuard no_grad;
  // The buffer holds the gradient of the sum over tokens; the mean's is its share.
  const double per_token = 1.0 / report.loss.tokens;
  report.grad_norm = gradient_norm(trainable.gradients()) * per_token;
  // Loss and reduced gradient are the same on all ranks, so all of them take the same branch.
  report.skipped = !std::isfinite(report.loss.total) || !std::isfinite(report.grad_norm);
  if (report.skipped) {
    ++numbers.skipped_in_row;
    if (run_.place.comm.is_root()) {
      log_warning(strf("step %lld skipped: loss %g, gradient norm %g",
                       static_cast<long long>(numbers.step) + 1, report.loss.total / report.loss.tokens,
                       report.grad_norm));
    }
    if (numbers.skipped_in_row >= kMaxSkippedInRow) {
      throw_numerics(strf("%lld steps in a row had no finite loss or gradient",
                          static_cast<long long>(kMaxSkippedInRow)),
                     "step " + std::to_string(numbers.step + 1),
                     "lower --lr, check the cache (anemll_cache verify), or try --precision fp32; saved "
                     "files are untouched");
    }
    return;
  }
  numbers.skipped_in_row = 0;
  const double clip = clip_factor(report.grad_norm, run_.options.clip_grad_norm);
  optimizer_.update(share_.mine(trainable.values()), share_.mine(trainable.gradients()), report.lr,
                    per_token * clip);
  share_.complete(trainable.values());
  if (run_.options.positive_scales) keep_magnitudes(run_.student->layers());
  numbers.optimizer_step = optimizer_.step;
}

void Stepper::skip_unsupervised(const RunNumbers& numbers, StepReport& report) {
  report.skipped = true;
  ++unsupervised_steps_;
  ++unsupervised_in_row_;
  if (run_.place.comm.is_root() && unsupervised_steps_ <= kToldUnsupervised) {
    log_warning(strf("step %lld: none of its sequences has a supervised token, so there is no update%s",
                     static_cast<long long>(numbers.step) + 1,
                     unsupervised_steps_ == kToldUnsupervised ? " (later ones are counted, not told)" : ""));
  }
  // A whole pass over the data: nothing will ever be learned.
  if ((unsupervised_in_row_ - 1) * run_.options.accumulation_steps <= run_.data->order().batches_per_epoch())
    return;
  throw_data("no sequence of the cache has a supervised token", run_.options.cache_dir,
             "make a cache of longer texts; anemll_cache verify lists such sequences");
}

}  // namespace anemll
