#include "src/train/internal/run.hpp"

#include "anemll/core/log.hpp"
#include "src/core/platform.hpp"
#include "src/core/signals.hpp"
#include "src/core/tool.hpp"
#include "src/distill/objective.hpp"
#include "src/inspect/inspection.hpp"
#include "src/train/internal/replicas.hpp"
#include "src/train/internal/schedule.hpp"
#include "src/train/internal/state_tensors.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <ratio>
#include <utility>

namespace anemll {
namespace {

// Rows of the cache, from its start, on which layers are looked at.
constexpr std::int64_t kInspectedRows = 8;

bool is_due(std::int64_t step, std::int64_t every) {
  return every > 0 && step % every == 0;
}

/// Whether the objective is the divergence over the whole vocabulary.
bool follows_exactly(const TrainOptions& options) {
  return options.kd_objective->payloads.has(Payload::hidden);
}

/// Of --max-time; a time beyond a year is no limit that a clock must hold.
Timeline::Clock::time_point end_of(const TrainOptions& options, Timeline::Clock::time_point began) {
  constexpr double kMostMinutes = 366.0 * 24 * 60;
  const std::chrono::duration<double, std::ratio<60>> minutes(std::min(options.max_time, kMostMinutes));
  return began + std::chrono::duration_cast<Timeline::Clock::duration>(minutes);
}

}  // namespace

Run::Run(Assembly assembly)
    : run_(std::move(assembly)), stepper_(run_), folder_(run_, stepper_.optimizer(), stepper_.share()) {
  if (run_.state) restore(*run_.state);
  reporter_.emplace(run_, numbers_.step);
  const TrainOptions& o = run_.options;
  first_loss_.emplace(o, o.from_scratch && numbers_.step == 0, run_.place.comm.is_root());
  if (o.max_time > 0) stepper_.end_after(end_of(o, run_.timeline.began()));
}

void Run::restore(const SavedState& saved) {
  numbers_ = run_numbers_of(saved);
  restore_tensors(saved, run_.selection, stepper_.optimizer(), stepper_.share());
  stepper_.optimizer().step = numbers_.optimizer_step;
  elapsed_before_s_ = numbers_.elapsed_s;
  log_info(strf("resumed %s at step %lld of %lld", saved.folder.c_str(),
                static_cast<long long>(numbers_.step), static_cast<long long>(run_.options.max_steps)));
  if (run_.evaluator && !run_.evaluator->text_digest().empty()) {
    if (!run_.evaluator->is_text(numbers_.text_digest))  // another text than at the start, or none then
      numbers_.initial_text_kl = numbers_.text_kl = std::numeric_limits<double>::quiet_NaN();
    numbers_.text_digest = run_.evaluator->text_digest();
  }
}

ExitCode Run::live() {
  ExitCode code = ExitCode::done;
  try {
    code = live_on();
  } catch (...) {
    const Error error = current_error();
    const std::string where = error.where().empty() ? "" : error.where() + ": ";
    folder_.end({numbers_.step, static_cast<int>(error.code()), where + error.problem()});
    throw;
  }
  folder_.end({numbers_.step, static_cast<int>(code), ""});
  return code;
}

ExitCode Run::live_on() {
  const bool resumed = run_.state.has_value();
  if (resumed) folder_.go_on(numbers_, *run_.state);
  run_.state.reset();  // its files are open no longer than they are needed
  const bool all_steps = numbers_.step >= run_.options.max_steps;
  if (numbers_.finished && (all_steps || patience_is_over())) {
    folder_.snap_late(numbers_, evaluates());
    log_info(strf("nothing to train: the run is complete at step %lld%s",
                  static_cast<long long>(numbers_.step),
                  all_steps ? "" : ", where --patience ended it (a larger one goes on)"));
    return ExitCode::done;
  }
  numbers_.finished = false;  // a complete run that goes on is not complete
  const StopPlan plan("saving after this micro-step or evaluation batch, then exit code 75");
  if (resumed) {
    folder_.tell_start();
  } else {
    begin();
  }
  int signal = 0;
  try {
    train();
    finish();
    return ExitCode::done;
  } catch (const StopError& stop) {  // all ranks throw it
    signal = stop.signal();
  }
  return leave(signal);
}

void Run::begin() {
  std::optional<EvaluationResult> first;
  if (evaluates()) {
    const StopPlan plan("leaving, there is nothing to save yet, then exit code 75");
    first = evaluate(true);
    numbers_.initial_loss = numbers_.last_eval = numbers_.best_loss = first->loss;
    numbers_.best_kl = first->holdout_kl.value_or(numbers_.best_kl);
    if (first->text) numbers_.initial_text_kl = numbers_.text_kl = first->text->mean;
    numbers_.text_digest = run_.evaluator->text_digest();
    if (!std::isfinite(numbers_.initial_loss)) {
      throw_numerics("the model's first loss is not a number", run_.options.output_dir,
                     "the source checkpoint or the model folder holds NaN; nothing was written");
    }
    numbers_.count_evaluation();
  }
  folder_.start(numbers_, first, samples_);
  if (run_.start_work) {  // rank 0
    const Timeline::Span filing(run_.timeline, RunPart::files);
    run_.start_work->discard();
  }
  run_.start_work.reset();
}

void Run::train() {
  if (numbers_.tail_due) tail();  // a signal kept the run from it
  while (numbers_.step < run_.options.max_steps && early_end() == nullptr) {
    const StepReport step = stepper_.step(numbers_);
    numbers_.best_before_final.reset();  // a complete run that goes on
    const auto passed = std::chrono::steady_clock::now() - began_;
    numbers_.elapsed_s = elapsed_before_s_ + std::chrono::duration<double>(passed).count();
    if (run_.place.watchdog != nullptr) run_.place.watchdog->step_done(numbers_.step, step.seconds);
    reporter_->observe(step);
    stragglers_.observe(step.seconds, step.reduction_s, run_.data->wait_seconds());
    first_loss_->observe(step, numbers_);
    time_is_up_ = step.time_is_up;
    if (is_due(numbers_.step, run_.options.logging_steps)) report();
    if (is_due(numbers_.step, run_.options.inspect_steps)) inspect(step);
    if (is_due(numbers_.step, run_.options.straggler_steps)) stragglers_.tell(run_.place.comm);
    if (is_due(numbers_.step, run_.options.check_replicas)) check_replicas(run_.place.comm, run_.selection);
    numbers_.tail_due = tail_is_due();
    if (step.signal == 0) tail();
    if (RunLog* log = folder_.log()) log->tick(numbers_.step);
    if (step.signal != 0) throw StopError(step.signal, "training", "");
  }
}

void Run::write_log(const std::function<void(RunLog&)>& write) {
  RunLog* log = folder_.log();
  if (log == nullptr) return;
  const Timeline::Span filing(run_.timeline, RunPart::files);
  write(*log);
}

void Run::report() {
  const std::optional<TrainRecord> record = reporter_->close(numbers_);
  if (record) write_log([&](RunLog& log) { log.train(*record); });
}

void Run::inspect(const StepReport& step) {
  const Timeline::Span inspecting(run_.timeline, RunPart::evaluation);
  const double per_token =
      step.loss.tokens > 0 ? 1 / step.loss.tokens : std::numeric_limits<double>::quiet_NaN();
  run_.student->set_evaluation();
  on_root(run_.place.comm, [&] {  // all ranks hold the same weights and reduced gradients
    if (!inspected_rows_) {
      const std::int64_t rows = std::min(kInspectedRows, run_.data->info().sequences);
      inspected_rows_ = token_rows(run_.data->read_rows(0, rows));
    }
    const Inspection found =
        inspect_layers(*run_.student, *run_.base, &*inspected_rows_, run_.place.device, per_token);
    folder_.log()->layers({numbers_.step, numbers_.elapsed_s, found});
  });
  run_.student->set_training(run_.place.compute);
}

bool Run::evaluation_is_due() const {
  return evaluates() && is_due(numbers_.step, run_.options.eval_steps);
}

bool Run::evaluated_here() const {
  return evaluation_is_due() && numbers_.evaluated_step == numbers_.step;
}

bool Run::has_text() const {
  return run_.evaluator && !run_.evaluator->text_digest().empty();
}

bool Run::best_by_holdout() const {
  const TrainOptions& o = run_.options;
  const bool wanted = o.best_by == BestBy::holdout || (o.best_by == BestBy::automatic && follows_exactly(o));
  return wanted && run_.evaluator && run_.evaluator->knows_holdout_kl() &&
         (std::isfinite(numbers_.best_kl) || !std::isfinite(numbers_.best_loss));
}

bool Run::is_best(const EvaluationResult& result) const {  // NaN never wins
  return best_by_holdout() ? result.holdout_kl && *result.holdout_kl < numbers_.best_kl
                           : result.loss < numbers_.best_loss;
}

bool Run::patience_is_over() const {
  return run_.options.patience > 0 && numbers_.evaluations_since_best >= run_.options.patience;
}

const char* Run::early_end() const {
  return patience_is_over() ? "--patience" : time_is_up_ ? "--max-time" : nullptr;
}

bool Run::tail_is_due() const {
  return evaluation_is_due() || is_due(numbers_.step, run_.options.save_steps) ||
         is_due(numbers_.step, run_.options.state_steps);
}

void Run::tail() {
  if (evaluation_is_due() && !evaluated_here())  // a run killed behind its evaluation
    evaluate_and_keep_best(false);
  // The state is saved as one whose copy is still to be made: a kill or a full disk then costs no copy.
  const bool copies = is_due(numbers_.step, run_.options.save_steps);
  if (copies) folder_.save_periodic(numbers_);
  numbers_.tail_due = false;
  if (!copies && is_due(numbers_.step, run_.options.state_steps)) folder_.save(numbers_);
}

EvaluationResult Run::evaluate(bool with_text) {
  const Timeline::Span evaluating(run_.timeline, RunPart::evaluation);
  run_.student->set_evaluation();
  try {
    const EvaluationResult result = run_.evaluator->run(with_text);
    if (run_.options.sample_prompts) sample();
    run_.student->set_training(run_.place.compute);
    return result;
  } catch (const StopError&) {  // on all ranks; the evaluation is done again after the next start
    run_.student->set_training(run_.place.compute);
    throw;
  }
}

void Run::sample() {
  // As in training every weight is made once: an evaluation would make them for each token.
  run_.student->set_training(run_.place.compute);
  on_root(run_.place.comm, [&] { samples_ = run_.samples->answers(run_.student->decoder()); });
  leave_together(run_.place.comm, "answering --sample-prompts", "");
}

double Run::next_lr() const {
  return run_.options.lr * lr_multiplier(schedule_of(run_.options), numbers_.step);
}

void Run::evaluate_and_keep_best(bool final_evaluation) {
  const TrainOptions& o = run_.options;
  const bool last_step = numbers_.step >= o.max_steps || time_is_up_;
  const EvaluationResult result = evaluate(final_evaluation || last_step || o.eval_text_always);
  if (final_evaluation && numbers_.best_before_final) {  // it is made again, and finds what it found
    numbers_.best_loss = numbers_.best_before_final->loss;
    numbers_.best_kl = numbers_.best_before_final->kl;
  }
  numbers_.last_eval = result.loss;
  numbers_.text_kl = result.text ? result.text->mean : std::numeric_limits<double>::quiet_NaN();
  const bool best = is_best(result);
  const bool patience_ends = o.patience > 0 && !best && numbers_.evaluations_since_best + 1 >= o.patience;
  const bool last = final_evaluation || last_step || (patience_ends && (result.text || !has_text()));
  const auto best_kl = best_by_holdout() ? std::optional(numbers_.best_kl) : std::nullopt;
  write_log([&](RunLog& log) {
    log.eval({numbers_.step, result, numbers_.best_loss, next_lr(), numbers_.elapsed_s, last, best, samples_,
              best_kl});
  });
  // A run killed before its end makes the final evaluation again: till then its row does not count.
  if (!final_evaluation) {
    numbers_.count_evaluation();
    ++numbers_.evaluations_since_best;
  }
  if (best) {
    if (final_evaluation) numbers_.best_before_final = {numbers_.best_loss, numbers_.best_kl};
    numbers_.best_loss = result.loss;
    numbers_.best_kl = result.holdout_kl.value_or(std::numeric_limits<double>::infinity());
    numbers_.best_step = numbers_.step;
    numbers_.evaluations_since_best = 0;
    folder_.save_best(numbers_);
  }
  if (final_evaluation) numbers_.count_evaluation();
}

void Run::finish() {
  const char* early = numbers_.step < run_.options.max_steps ? early_end() : nullptr;
  if (early != nullptr)
    log_info(strf("%s ends the run at step %lld of %lld", early, static_cast<long long>(numbers_.step),
                  static_cast<long long>(run_.options.max_steps)));
  if (numbers_.window_steps > 0) report();  // the last window counts, however short
  if (!evaluates()) numbers_.best_step = numbers_.step;
  folder_.save(numbers_);
  if (evaluated_here() && (!has_text() || std::isfinite(numbers_.text_kl))) {
    EvaluationResult repeated;
    repeated.loss = numbers_.last_eval;
    write_log([&](RunLog& log) {
      log.repeat_eval(
          {numbers_.step, repeated, numbers_.best_loss, next_lr(), numbers_.elapsed_s, true, false, {}});
    });
    numbers_.count_evaluation();
  } else if (evaluates()) {
    evaluate_and_keep_best(true);
  }
  const StopPlan plan("the run is complete and writes its last files");
  folder_.finish(
      numbers_, {evaluates(), peak_resident_bytes(), stepper_.unsupervised_steps(),
                 has_text() ? std::optional(numbers_.text_kl) : std::nullopt, early != nullptr ? early : ""});
  numbers_.finished = true;  // last, so that a run killed above finishes again
  folder_.save(numbers_);
  tell_time();
}

void Run::tell_time() {
  log_info(run_.timeline.line());
  const Timeline::Span filing(run_.timeline, RunPart::files);
  run_.timeline.write();
}

ExitCode Run::leave(int signal) {
  folder_.save(numbers_);
  log_info(strf("%s: state saved at step %lld, exit code 75 (run again with --resume auto)",
                signal_text(signal).c_str(), static_cast<long long>(numbers_.step)));
  if (!evaluates() && numbers_.best_step != numbers_.step) {
    log_info(strf("best_state_dict.pt holds the weights of step %lld till then",
                  static_cast<long long>(numbers_.best_step)));
  }
  tell_time();
  return ExitCode::save_and_requeue;
}

}  // namespace anemll
