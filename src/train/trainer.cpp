#include "src/train/trainer.hpp"

#include "anemll/core/log.hpp"
#include "anemll/core/signals.hpp"
#include "src/train/batch_tensors.hpp"
#include "src/train/objective.hpp"
#include "src/train/run_setup.hpp"
#include "src/train/torch_backward.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>

namespace anemll {
namespace {

constexpr std::int64_t kMaxSkippedInRow = 3;
// Ranks meet to share a signal no more often than this: where micro-steps are shorter, the meeting would
// cost.
constexpr double kCheckSeconds = 0.25;
constexpr std::int64_t kToldUnsupervised = 3;

KdLossOptions loss_options(const TrainOptions& o, std::int64_t step) {
  KdLossOptions loss;
  loss.objective = objective_of(o);
  loss.temperature = o.temperature;
  loss.sampled_ce_weight = o.sampled_ce_weight;
  if (o.no_full_logits) return loss;
  loss.hard_top1 = annealed_weight(o.hard_top1, o.hard_top1_end, step, o.max_steps);
  loss.hard_full = o.hard_full;
  return loss;
}

void add(KdLossSums& into, const KdLossSums& more) {
  into.total += more.total;
  into.kl += more.kl;
  into.ce += more.ce;
  into.sampled_ce += more.sampled_ce;
  into.tokens += more.tokens;
}

}  // namespace

ExitCode Trainer::run() {
  if (state_.finished && state_.step >= options_.max_steps) {
    log_info(strf("nothing to do: the run is complete at step %lld", static_cast<long long>(state_.step)));
    return ExitCode::done;
  }
  state_.finished = false;  // a complete run that goes on is not complete
  const StopPlan plan("saving after this micro-step or evaluation batch, then exit code 75");
  begin();
  int signal = 0;
  try {
    train();
    finish();
    return ExitCode::done;
  } catch (const StopError& stop) {  // all ranks throw it
    signal = stop.signal();
  }
  return stop_on_signal(signal);
}

void Trainer::train() {
  if (state_.tail_due) tail();  // a signal kept the run from it
  while (state_.step < options_.max_steps) {
    const StepReport report = last_report_ = step();
    if (state_.step % options_.logging_steps == 0) log_step(report);
    state_.tail_due = tail_is_due();
    if (report.signal != 0) throw StopError(report.signal, "training", "");
    tail();
    if (log_) log_->tick(state_.step);
  }
}

bool Trainer::is_due(std::int64_t every) const {
  return every > 0 && state_.step % every == 0;
}

bool Trainer::evaluation_is_due() const {
  return options_.eval_samples > 0 && is_due(options_.eval_steps);
}

bool Trainer::tail_is_due() const {
  return evaluation_is_due() || is_due(options_.save_steps) || is_due(options_.state_steps);
}

void Trainer::tail() {
  if (evaluation_is_due() && state_.evaluated_step != state_.step)  // a run killed behind its evaluation
    evaluate_and_keep_best(false);
  // The state is saved as one whose copy is still to be made: a kill or a full disk then costs no copy.
  const bool copies = is_due(options_.save_steps);
  if (copies) save_periodic();
  state_.tail_due = false;
  if (!copies && is_due(options_.state_steps)) save_state();
}

Trainer::StepReport Trainer::step() {
  const auto started = std::chrono::steady_clock::now();
  const std::int64_t micro_steps = options_.accumulation_steps;
  StepReport report;
  student_->trainable().zero_gradients();
  for (V2Linear* layer : student_->layers()) layer->begin_step();
  for (std::int64_t i = 0; i < micro_steps; ++i) {
    // Before the last micro-step starts the reduction, so that a stop leaves none half done.
    if (i > 0 && i % check_every_ == 0) leave_together(comm_, "training", "");
    KdBatch batch = data_->next();
    add(report.loss, micro_step(batch, state_.step * micro_steps + i, i + 1 == micro_steps));
  }
  reducer_->finish();

  const double busy_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  // One small collective makes the loss global and every decision that hangs on it common.
  const int mine = pending_signal();
  double sums[] = {report.loss.total,      report.loss.kl,     report.loss.ce,
                   report.loss.sampled_ce, report.loss.tokens, busy_s};
  std::int64_t signal[] = {mine};
  comm_.all_reduce(std::span<double>(sums), ReduceOp::sum);
  comm_.all_reduce(std::span<std::int64_t>(signal), ReduceOp::max);
  report.loss = {sums[0], sums[1], sums[2], sums[3], sums[4]};
  report.signal = static_cast<int>(signal[0]);
  pace_checks(sums[5] / comm_.size());

  update(report);
  ++state_.step;
  if (!report.skipped) {
    state_.window_loss += report.loss.total / report.loss.tokens;
    ++state_.window_steps;
    last_loss_ = report.loss;
  }
  supervised_ += report.loss.tokens;
  const auto now = std::chrono::steady_clock::now();
  stepping_s_ += std::chrono::duration<double>(now - started).count();
  state_.elapsed_s = elapsed_before_s_ + std::chrono::duration<double>(now - began_).count();
  return report;
}

void Trainer::pace_checks(double seconds) {
  const double each = seconds / static_cast<double>(options_.accumulation_steps);
  check_every_ = 1;
  if (each > 0 && each < kCheckSeconds)
    check_every_ = static_cast<std::int64_t>(std::min(std::ceil(kCheckSeconds / each), 1e6));
}

KdLossSums Trainer::micro_step(KdBatch& batch, std::int64_t micro, bool last) {
  keep_supervised(batch);
  BatchTensors tensors = to_tensors(batch, device_);
  add_payloads(tensors, options_, data_->info());
  const KdLossOptions loss = loss_options(options_, state_.step);
  if (loss.sampled_ce_weight > 0) {
    tensors.targets.negatives =
        sample_negatives(batch, student_->files().architecture.vocab_size, options_.sampled_negatives,
                         static_cast<std::uint64_t>(options_.seed), micro)
            .to(device_);
  }

  for (V2Linear* layer : student_->layers()) layer->begin_micro_step(last);
  if (last) reducer_->begin(device_stream(device_));
  Decoder& decoder = student_->decoder();
  const at::Tensor hidden = decoder.hidden(tensors.input_ids, tensors.mask);       // [B, L, H]
  const at::Tensor scored = hidden.narrow(1, 0, tensors.positions).flatten(0, 1);  // [N, H]
  const at::Tensor detached = scored.detach();
  at::Tensor gradient = at::empty_like(detached);
  const KdLossSums sums = kd_loss(detached, decoder.head_weight(compute_), tensors.targets, loss, gradient);
  run_backward(scored, gradient);
  return sums;
}

void Trainer::update(StepReport& report) {
  report.lr = options_.lr * lr_multiplier(schedule_of(options_), state_.step);
  if (report.loss.tokens == 0) return skip_unsupervised(report);
  unsupervised_in_row_ = 0;
  FlatParameters& trainable = student_->trainable();
  const at::NoGradGuard no_grad;
  // The buffer holds the gradient of the sum over tokens; the mean's is its share.
  const double per_token = 1.0 / report.loss.tokens;
  report.grad_norm = gradient_norm(trainable.gradients()) * per_token;
  // Loss and reduced gradient are the same on all ranks, so all of them take the same branch.
  report.skipped = !std::isfinite(report.loss.total) || !std::isfinite(report.grad_norm);
  if (report.skipped) {
    ++state_.skipped_in_row;
    if (log_) {
      log_warning(strf("step %lld skipped: loss %g, gradient norm %g",
                       static_cast<long long>(state_.step + 1), report.loss.total / report.loss.tokens,
                       report.grad_norm));
    }
    if (state_.skipped_in_row >= kMaxSkippedInRow) {
      throw_numerics(strf("%lld steps in a row had no finite loss or gradient",
                          static_cast<long long>(kMaxSkippedInRow)),
                     "step " + std::to_string(state_.step + 1),
                     "lower --lr, check the cache (anemll_cache verify), or try --precision fp32; saved "
                     "files are untouched");
    }
    return;
  }
  state_.skipped_in_row = 0;
  const double clip = clip_factor(report.grad_norm, options_.clip_grad_norm);
  optimizer_.update(trainable.values(), trainable.gradients(), report.lr, per_token * clip);
  state_.optimizer_step = optimizer_.step;
}

void Trainer::skip_unsupervised(StepReport& report) {
  report.skipped = true;
  ++unsupervised_steps_;
  ++unsupervised_in_row_;
  if (log_ && unsupervised_steps_ <= kToldUnsupervised) {
    log_warning(strf("step %lld: none of its sequences has a supervised token, so there is no update%s",
                     static_cast<long long>(state_.step + 1),
                     unsupervised_steps_ == kToldUnsupervised ? " (later ones are counted, not told)" : ""));
  }
  // A whole pass over the data: nothing will ever be learned.
  if ((unsupervised_in_row_ - 1) * options_.accumulation_steps <= data_->order().batches_per_epoch()) return;
  throw_data("no sequence of the cache has a supervised token", options_.cache_dir,
             "make a cache of longer texts; anemll_cache verify lists such sequences");
}

EvaluationResult Trainer::evaluate(bool with_text) {
  student_->set_evaluation();
  try {
    const EvaluationResult result = evaluator_->run(with_text);
    student_->set_training(compute_);
    return result;
  } catch (const StopError&) {  // on all ranks; the evaluation is done again after the next start
    student_->set_training(compute_);
    throw;
  }
}

void Trainer::evaluate_and_keep_best(bool final_evaluation) {
  const EvaluationResult result = evaluate(final_evaluation || options_.eval_text_always);
  state_.last_eval = result.loss;
  if (final_evaluation && result.text) final_text_kl_ = result.text->mean;
  const double next_lr = options_.lr * lr_multiplier(schedule_of(options_), state_.step);
  if (log_)
    log_->evaluation({state_.step, result, state_.best_loss, next_lr, state_.elapsed_s, final_evaluation});
  // A run killed before its end makes the final evaluation again: till then its row does not count.
  if (!final_evaluation) state_.count_evaluation();
  keep_best(result.loss);
  if (final_evaluation) state_.count_evaluation();
}

void Trainer::log_step(const StepReport& report) {
  if (state_.window_steps > 0) {
    const double window = state_.window_loss / static_cast<double>(state_.window_steps);
    if (log_) {
      RunLog::Train line;
      line.step = state_.step;
      line.loss = window;
      line.kl = last_loss_.kl / last_loss_.tokens;
      line.ce = last_loss_.ce / last_loss_.tokens;
      line.lr = report.lr;
      line.next_lr = options_.lr * lr_multiplier(schedule_of(options_), state_.step);
      line.grad_norm = report.grad_norm;
      line.hard_top1 = loss_options(options_, state_.step - 1).hard_top1;
      const double steps = static_cast<double>(std::max<std::int64_t>(state_.step - logged_step_, 1));
      const double seconds = std::max(stepping_s_ - logged_stepping_s_, 1e-9);
      // Tokens of sequences that were there and supervised; padding is not counted.
      line.tokens_per_s = supervised_ / positions_per_token(data_->info()) / seconds;
      line.data_wait_s = data_->wait_seconds() - logged_wait_s_;
      line.eta_s = seconds / steps * static_cast<double>(options_.max_steps - state_.step);
      line.elapsed_s = state_.elapsed_s;
      line.skipped = report.skipped;
      log_->train(line);
    }
  }
  logged_step_ = state_.logged_step = state_.step;
  supervised_ = 0;
  logged_stepping_s_ = stepping_s_;
  logged_wait_s_ = data_->wait_seconds();
  state_.window_loss = 0;
  state_.window_steps = 0;
}

}  // namespace anemll
