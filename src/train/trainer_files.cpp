// What a run does to its folder: its start, its going on, states, best weights, its end. States come before
// the large copies for other tools, so that a full disk costs no step.
#include "anemll/core/log.hpp"
#include "anemll/core/platform.hpp"
#include "anemll/core/signals.hpp"
#include "src/train/run_setup.hpp"
#include "src/train/state_io.hpp"
#include "src/train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

// Names that a new run writes itself, so that a source of that name is found in earlier-<n> later.
constexpr std::string_view kWrittenAnew[] = {"best_state_dict.pt", "v2_scratch_initial.pt",
                                             "checkpoint_step#.pt"};

std::string source_of(const TrainOptions& options, const std::optional<fs::path>& earlier) {
  if (!options.v2_checkpoint) return options.from_scratch ? "scratch" : "resumed";
  const fs::path name = fs::path(*options.v2_checkpoint).filename();
  std::error_code none;
  if (earlier && fs::equivalent(*options.v2_checkpoint, *earlier / name, none)) {
    for (const std::string_view pattern : kWrittenAnew) {
      if (matches(pattern, name.string())) return (*earlier / name).string();
    }
  }
  return *options.v2_checkpoint;
}

LogMark mark_of(const RunState& state) {
  return {state.step, state.logged_step, state.evaluated_step, state.evaluations, state.finished};
}

bool same_folder(const fs::path& a, const fs::path& b) {
  std::error_code none;
  return fs::equivalent(a, b, none);
}

/// The folder with the logs of the run that saved the state: state/abandoned-1, or above state.
fs::path logs_of(const StateStore::Loaded& state) {
  const fs::path beside = state.folder.parent_path();
  return fs::exists(beside / "training_log.csv") ? beside : beside.parent_path();
}

}  // namespace

void Trainer::begin() {
  if (resumed_) return;
  EvaluationResult first;
  if (options_.eval_samples > 0) {
    const StopPlan plan("leaving, there is nothing to save yet, then exit code 75");
    first = evaluate(true);
    state_.initial_loss = state_.last_eval = state_.best_loss = first.loss;
    if (first.text) state_.initial_text_kl = first.text->mean;
    state_.text_digest = evaluator_->text_digest();
    if (!std::isfinite(state_.initial_loss)) {
      throw_numerics("the model's first loss is not a number", options_.output_dir,
                     "the source checkpoint or the model folder holds NaN; nothing was written");
    }
    state_.count_evaluation();
  }
  on_root(comm_, [&] { start_folder(first); });
  save_state();
  on_root(comm_, [&] {
    files_->write_start(*student_);
    store_->record_best_file(files_->best());
  });
}

void Trainer::start_folder(const EvaluationResult& first) {
  std::vector<fs::path> stays;
  if (options_.v2_checkpoint) stays.emplace_back(*options_.v2_checkpoint);
  const std::optional<fs::path> earlier = output_->set_aside(stays);
  files_ = std::make_unique<OutputFiles>(options_, source_of(options_, earlier));
  store_->save_frozen(student_->frozen_tensors());
  log_ = std::make_unique<RunLog>(options_.output_dir, std::nullopt, 0, options_.max_steps);
  if (options_.eval_samples > 0) log_->evaluation({0, first, state_.best_loss, options_.lr, 0, false});
  files_->write_config(*student_, std::nullopt);
}

void Trainer::continue_folder(const StateStore::Loaded& state) {
  files_ = std::make_unique<OutputFiles>(options_, source_of(options_, std::nullopt));
  const fs::path folder = options_.output_dir;
  const bool own = store_->owns(state);
  for (const fs::path& entry : output_->entries(EntryRole::foreign)) {
    if (entry.filename() == "config.json") output_->set_aside_one("config.json");  // put there meanwhile
  }
  if (own || same_folder(state.folder.parent_path().parent_path(), folder / "state")) {
    const std::int64_t last = own ? state.step : -1;
    const auto left = store_->go_back(last, [&](const fs::path& future) {
      RunLog::copy(folder, future);
      files_->move_later(last, future);
      if (store_->named_best().value_or(-1) > last && fs::exists(files_->best()))
        fs::rename(files_->best(), future / files_->best().filename());
    });
    if (!own && !left) {  // no states were there, but perhaps logs
      for (const char* name : {"training_log.csv", "metrics.jsonl"}) {
        if (fs::exists(folder / name)) output_->set_aside_one(name);
      }
    }
  } else {
    output_->set_aside();  // another run's state comes in here
    files_->write_config(*student_, std::nullopt);
  }
  store_->adopt(state);
  if (!own) RunLog::copy(logs_of(state), folder);
  mend_best(state);
  log_ = std::make_unique<RunLog>(folder, mark_of(state_), state_.step, options_.max_steps);
}

void Trainer::mend_best(const StateStore::Loaded& state) {
  const fs::path file = files_->best();
  std::optional<TensorMap> weights;
  const bool there = fs::exists(file);
  std::string why = file.filename().string() + " is not there";
  if (state.best) {
    state_.best_step = state.best->step;
    weights = state.best->step == state.step ? state.parameters : store_->best_parameters(*state.best);
    const auto difference = store_->compare_best_file(*state.best, file);
    if (!difference) return;
    if (there) why = difference->why;
    if (difference->someone_elses)
      why += "; the old file is " + output_->set_aside_one(file.filename().string()).string();
  } else if (there) {
    return;  // an earlier version's run, which kept no record
  }
  if (!weights) {  // the best is lost: from here on the resumed weights are
    weights = state.parameters;
    state_.best_step = state.step;
    state_.best_loss = std::numeric_limits<double>::infinity();
  }
  log(there ? LogLevel::warning : LogLevel::info,
      strf("%s: written from the state of step %lld", why.c_str(), static_cast<long long>(state_.best_step)));
  const at::NoGradGuard no_grad;
  at::Tensor& values = student_->trainable().values();
  const at::Tensor present = values.clone();
  restore_parameters(*weights, student_->trainable(), state.folder.string());
  files_->write_best(*student_);
  values.copy_(present);
  store_->record_best_file(file);
}

void Trainer::save_state() {
  check_replicas(comm_, student_->trainable().values());
  on_root(comm_, [&] {
    log_->sync();
    const std::vector<LazyTensor> parameters = parameter_tensors(student_->trainable());
    const std::vector<LazyTensor> moments = moment_tensors(student_->trainable(), optimizer_);
    store_->save(state_.step, {parameters, moments, trainer_json(state_, run_identity_, resolved_json_),
                               state_.best_step, state_.best_loss});
  });
}

void Trainer::keep_best(double loss) {
  if (!(loss < state_.best_loss)) return;  // NaN never wins
  state_.best_loss = loss;
  state_.best_step = state_.step;
  save_state();
  on_root(comm_, [&] {
    files_->write_best(*student_);
    store_->record_best_file(files_->best());
  });
}

void Trainer::save_periodic() {
  const bool is_best = options_.eval_samples == 0;  // nothing says otherwise: the last weights are
  if (is_best) state_.best_step = state_.step;
  save_state();
  on_root(comm_, [&] {
    const std::string name = files_->write_periodic(*student_, state_.step);
    if (!is_best) return;
    files_->share_best(name, *student_);
    store_->record_best_file(files_->best());
  });
}

ExitCode Trainer::stop_on_signal(int signal) {
  save_state();
  log_info(strf("%s: state saved at step %lld, exit code 75 (run again with --resume auto)",
                signal_text(signal).c_str(), static_cast<long long>(state_.step)));
  if (options_.eval_samples == 0 && state_.best_step != state_.step) {
    log_info(strf("best_state_dict.pt holds the weights of step %lld till then",
                  static_cast<long long>(state_.best_step)));
  }
  return ExitCode::save_and_requeue;
}

void Trainer::finish() {
  const bool evaluates = options_.eval_samples > 0;
  if (state_.window_steps > 0) log_step(last_report_);  // the last window counts, however short
  if (!evaluates) state_.best_step = state_.step;
  save_state();
  if (evaluates) evaluate_and_keep_best(true);
  const StopPlan plan("the run is complete and writes its last files");
  const std::uint64_t peak_before_files = peak_resident_bytes();
  on_root(comm_, [&] {
    const auto [full, half] = files_->write_final(*student_);
    if (!evaluates) {
      if (full == half) {
        files_->write_best(*student_);
      } else {
        files_->share_best(full, *student_);
      }
      store_->record_best_file(files_->best());
      log_info("nothing was evaluated (--eval-samples 0): best_state_dict.pt holds the last weights");
    }
    const std::optional<double> final_loss = evaluates ? std::optional(state_.last_eval) : std::nullopt;
    files_->write_config(*student_, final_loss);
    nlohmann::json summary = {{"step", state_.step},
                              {"elapsed_s", state_.elapsed_s},
                              {"peak_resident_bytes", peak_before_files},
                              {"body_weights", student_->body_weights()},
                              {"positions_per_token", positions_per_token(data_->info())},
                              {"best_step", state_.best_step},
                              {"files", {full, half, "best_state_dict.pt"}}};
    if (final_loss) summary.update({{"initial_loss", state_.initial_loss}, {"final_loss", *final_loss}});
    if (std::isfinite(state_.best_loss)) summary["best_loss"] = state_.best_loss;
    if (std::isfinite(final_text_kl_)) {
      summary["final_text_kl_mean"] = final_text_kl_;
      if (std::isfinite(state_.initial_text_kl)) {
        summary["initial_text_kl_mean"] = state_.initial_text_kl;
        log_info(strf("KL from the teacher on %s: %.4f at the start, %.4f at the end",
                      options_.eval_text->c_str(), state_.initial_text_kl, final_text_kl_));
      }
    }
    if (unsupervised_steps_ > 0) summary["steps_without_supervision"] = unsupervised_steps_;
    log_->summary(summary.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    if (final_loss && state_.step > 0 && state_.best_loss == state_.initial_loss) {
      log_warning(
          "no evaluation beat the start: best_state_dict.pt holds the weights before training "
          "(a smaller --lr, other loss weights, or more steps)");
    }
  });
  state_.finished = true;  // last, so that a run killed above finishes again
  save_state();
}

}  // namespace anemll
