#include "src/train/internal/run_folder.hpp"

#include "anemll/core/log.hpp"
#include "src/core/build_info.hpp"
#include "src/core/platform.hpp"
#include "src/tracking/tracked_config.hpp"
#include "src/train/internal/disk_room.hpp"
#include "src/train/internal/log_sinks.hpp"
#include "src/train/internal/replicas.hpp"
#include "src/train/internal/reporter.hpp"
#include "src/train/internal/state_tensors.hpp"
#include "src/train/internal/tracking_sinks.hpp"
#include "src/train/internal/v1_files.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <system_error>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kStateBytes = 3 * sizeof(float);  // a trained value and its two moments

LogMark mark_of(const RunNumbers& numbers) {
  return {numbers.step, numbers.logged_step, numbers.evaluated_step, numbers.evaluations, numbers.finished};
}

bool same_folder(const fs::path& a, const fs::path& b) {
  std::error_code none;
  return fs::equivalent(a, b, none);
}

/// The folder with the logs of the run that saved the state: state/abandoned-1, or above state.
fs::path logs_of(const SavedState& saved) {
  const fs::path beside = saved.folder.parent_path();
  return fs::exists(beside / kCsvFile) ? beside : beside.parent_path();
}

}  // namespace

RunFolder::RunFolder(Assembly& run, AdamW& optimizer, const OptimizerShare& share)
    : run_(run),
      optimizer_(optimizer),
      share_(share),
      store_(run.options.output_dir),
      hosts_(gather_strings(run.place.comm, host_name())) {}

void RunFolder::start(RunNumbers& numbers, const std::optional<EvaluationResult>& first,
                      const std::vector<SampleAnswer>& samples) {
  const Timeline::Span filing(run_.timeline, RunPart::files);
  on_root(run_.place.comm, [&] { set_up_start(numbers, first, samples); });
  save(numbers);
  on_root(run_.place.comm, [&] {
    files_->write_start(*run_.student);
    store_.record_best_file(files_->best());
    const auto state = static_cast<std::uint64_t>(run_.selection.parameters->numel()) * kStateBytes;
    const std::uint64_t bytes = bytes_to_come(run_.options, 0, fs::file_size(files_->best()), state);
    if (const std::string text = disk_warning(run_.options.output_dir, bytes); !text.empty())
      log_warning(text);
  });
}

void RunFolder::set_up_start(const RunNumbers& numbers, const std::optional<EvaluationResult>& first,
                             const std::vector<SampleAnswer>& samples) {
  const TrainOptions& o = run_.options;
  std::vector<fs::path> stays;
  if (o.source_file()) stays.emplace_back(*o.source_file());
  const std::optional<fs::path> earlier = run_.output->set_aside(stays);
  files_ =
      std::make_unique<OutputFiles>(o, run_.given != nullptr ? run_.given->source : source_of(o, earlier));
  store_.save_frozen(run_.student->frozen_tensors(run_.selection.names()));
  open_log(std::nullopt, 0);
  tell_start();
  if (first) log_->eval({0, *first, numbers.best_loss, o.lr, 0, false, false, samples});
  files_->write_config(*run_.student, std::nullopt);
}

void RunFolder::go_on(RunNumbers& numbers, const SavedState& saved) {
  const Timeline::Span filing(run_.timeline, RunPart::files);
  Communicator& comm = run_.place.comm;
  const std::string before = numbers.to_json();
  on_root(comm, [&] { set_up_going_on(numbers, saved); });
  std::string found = numbers.to_json();  // rank 0 has compared the best with the files
  broadcast_string(comm, found, 0);
  if (found == before) return;
  numbers = RunNumbers::from_json(found);
  save(numbers);
  on_root(comm, [&] { store_.record_best_file(files_->best()); });
}

void RunFolder::set_up_going_on(RunNumbers& numbers, const SavedState& saved) {
  const TrainOptions& o = run_.options;
  OutputFolder& output = *run_.output;
  files_ = std::make_unique<OutputFiles>(
      o, run_.given != nullptr ? run_.given->source : source_of(o, std::nullopt));
  const fs::path folder = o.output_dir;
  const bool own = store_.owns(saved);
  for (const fs::path& entry : output.entries(EntryRole::foreign)) {
    if (entry.filename() == "config.json") output.set_aside_one("config.json");  // put there meanwhile
  }
  if (own || same_folder(saved.folder.parent_path().parent_path(), folder / "state")) {
    const std::int64_t last = own ? saved.step : -1;
    const auto left = store_.go_back(last, [&](const fs::path& future) {
      RunLog::copy(folder, future);
      files_->move_later(last, future);
      if (store_.named_best().value_or(-1) > last && fs::exists(files_->best()))
        fs::rename(files_->best(), future / files_->best().filename());
    });
    if (!own && !left) {  // no states were there, but perhaps logs
      for (const char* name : {kCsvFile, kMetricsFile}) {
        if (fs::exists(folder / name)) output.set_aside_one(name);
      }
    }
  } else {
    output.set_aside();  // another run's state comes in here
    files_->write_config(*run_.student, std::nullopt);
  }
  store_.adopt(saved);
  if (!own) RunLog::copy(logs_of(saved), folder);
  if (numbers.step == 0 && own) files_->mend_start(*run_.student, run_.resolved_json);
  mend_best(numbers, saved);
  open_log(SavedLog{mark_of(numbers), numbers.sink_positions}, numbers.step);
}

void RunFolder::open_log(const std::optional<SavedLog>& saved, std::int64_t step) {
  const TrainOptions& o = run_.options;
  log_ = std::make_unique<RunLog>(o.output_dir, saved, step, o.max_steps);
  for (std::unique_ptr<MetricsSink>& sink : make_tracking_sinks(o, tracked_config(run_.resolved_json)))
    log_->add(std::move(sink));
  log_->sync();
}

void RunFolder::tell_start() {
  if (log_) log_->start({hosts_, processor_name(), build_summary(), run_.options.command});
}

void RunFolder::end(const EndRecord& record) {
  if (log_) log_->end(record);
}

void RunFolder::mend_best(RunNumbers& numbers, const SavedState& saved) {
  const fs::path file = files_->best();
  std::optional<TensorMap> weights;
  const bool there = fs::exists(file);
  std::string why = file.filename().string() + " is not there";
  if (saved.best) {
    numbers.best_step = saved.best->step;
    const auto difference = store_.compare_best_file(*saved.best, file);
    if (!difference) return;
    weights = saved.best->step == saved.step ? saved.parameters : store_.best_parameters(*saved.best);
    if (there) why = difference->why;
    if (difference->someone_elses)
      why += "; the old file is " + run_.output->set_aside_one(file.filename().string()).string();
  } else if (there) {
    return;  // an earlier version's run, which kept no record
  }
  if (!weights) {  // the best is lost: from here on the resumed weights are
    weights = saved.parameters;
    numbers.best_step = saved.step;
    numbers.best_loss = numbers.best_kl = std::numeric_limits<double>::infinity();
  }
  anemll::log(there ? LogLevel::warning : LogLevel::info,
              strf("%s: written from the state of step %lld", why.c_str(),
                   static_cast<long long>(numbers.best_step)));
  const at::NoGradGuard no_grad;
  const std::vector<at::Tensor> present = run_.selection.copy();
  restore_parameters(*weights, run_.selection, saved.folder.string());
  write_best();
  run_.selection.put_back(present);
}

void RunFolder::save(RunNumbers& numbers) {
  const Timeline::Span filing(run_.timeline, RunPart::files);
  check_replicas(run_.place.comm, run_.selection);
  const Moments whole = {share_.whole(optimizer_.m), share_.whole(optimizer_.v)};
  on_root(run_.place.comm, [&] {
    log_->sync();
    numbers.sink_positions = log_->positions();
    const std::vector<LazyTensor> parameters = parameter_tensors(run_.selection);
    const std::vector<LazyTensor> moments = moment_tensors(*run_.selection.parameters, whole);
    store_.save(numbers.step,
                {parameters, moments, trainer_json(numbers, run_.identity, run_.resolved_json, hosts_),
                 numbers.best_step, numbers.best_loss});
  });
}

void RunFolder::write_best() {
  files_->write_best(*run_.student);
  store_.record_best_file(files_->best());
}

void RunFolder::share_best(const std::string& name) {
  files_->share_best(name, *run_.student);
  store_.record_best_file(files_->best());
}

void RunFolder::save_best(RunNumbers& numbers) {
  const Timeline::Span filing(run_.timeline, RunPart::files);
  save(numbers);
  on_root(run_.place.comm, [&] { write_best(); });
}

void RunFolder::save_periodic(RunNumbers& numbers) {
  const Timeline::Span filing(run_.timeline, RunPart::files);
  const bool is_best = run_.options.eval_samples == 0;  // nothing says otherwise: the last weights are
  if (is_best) numbers.best_step = numbers.step;
  save(numbers);
  on_root(run_.place.comm, [&] {
    const std::string name = files_->write_periodic(*run_.student, numbers.step);
    if (is_best) share_best(name);
  });
}

void RunFolder::finish(RunNumbers& numbers, const RunEnd& end) {
  const Timeline::Span filing(run_.timeline, RunPart::files);
  on_root(run_.place.comm, [&] {
    const auto [full, half] = files_->write_final(*run_.student);
    if (!end.evaluated) {
      if (full == half || run_.options.v1) {  // V1's last file may be snapped
        write_best();
      } else {
        share_best(full);
      }
      log_info("nothing was evaluated (--eval-samples 0): best_state_dict.pt holds the last weights");
    }
    files_->write_config(*run_.student, end.evaluated ? std::optional(numbers.last_eval) : std::nullopt);
    log_->summary(summary(numbers, end, full, half));
    if (end.evaluated && numbers.step > 0 && numbers.best_step == 0) {
      log_warning(
          "no evaluation beat the start: best_state_dict.pt holds the weights before training "
          "(a smaller --lr, other loss weights, or more steps)");
    }
  });
}

void RunFolder::snap_late(const RunNumbers& numbers, bool evaluated) {
  on_root(run_.place.comm, [&] {
    if (!run_.options.v1 || v1_snap_is_written(run_.options)) return;
    files_->write_final(*run_.student);
    files_->write_config(*run_.student, evaluated ? std::optional(numbers.last_eval) : std::nullopt);
  });
}

std::string RunFolder::summary(const RunNumbers& numbers, const RunEnd& end, const std::string& full,
                               const std::string& half) const {
  nlohmann::json summary = {{"step", numbers.step},
                            {"elapsed_s", numbers.elapsed_s},
                            {"peak_resident_bytes", end.peak_resident_bytes},
                            {"planned_bytes", run_.planned_bytes},
                            {"time_s", nlohmann::json::parse(run_.timeline.json())},
                            {"body_weights", run_.student->body_weights()},
                            {"positions_per_token", positions_per_token(run_.data->info())},
                            {"best_step", numbers.best_step},
                            {"files", {full, half, "best_state_dict.pt"}}};
  if (end.evaluated)
    summary.update({{"initial_loss", numbers.initial_loss}, {"final_loss", numbers.last_eval}});
  if (std::isfinite(numbers.best_loss)) summary["best_loss"] = numbers.best_loss;
  if (std::isfinite(numbers.best_kl)) summary["best_holdout_kl"] = numbers.best_kl;
  if (end.text_kl) {
    summary["final_text_kl_mean"] = *end.text_kl;
    if (std::isfinite(numbers.initial_text_kl)) {
      summary["initial_text_kl_mean"] = numbers.initial_text_kl;
      log_info(strf("KL from the teacher on %s: %.4f at the start, %.4f at the end",
                    run_.options.eval_text->c_str(), numbers.initial_text_kl, *end.text_kl));
    }
  }
  if (!end.ended_by.empty()) summary["ended_by"] = end.ended_by;
  if (end.unsupervised_steps > 0) summary["steps_without_supervision"] = end.unsupervised_steps;
  return summary.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace anemll
