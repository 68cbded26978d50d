#include "src/train/internal/tracking_sinks.hpp"

#include "anemll/core/log.hpp"
#include "src/core/normalised.hpp"
#include "src/core/shell_word.hpp"
#include "src/tracking/event_file.hpp"
#include "src/tracking/wandb_run.hpp"
#include "src/train/internal/record_figures.hpp"

#include <filesystem>
#include <optional>
#include <utility>

namespace anemll {
namespace {

namespace fs = std::filesystem;

constexpr const char* kEventsFolder = "tensorboard";
constexpr const char* kSamples = "eval/samples";

/// A name for people: the one that was given, or that of the output folder.
std::string display_name(const TrainOptions& o) {
  if (o.wandb_run != "auto") return o.wandb_run;
  return normalised(o.output_dir).filename().string();
}

TextTable sample_table(const EvaluationRecord& record) {
  TextTable table{{"step", "prompt", "answer"}, {}};
  for (const SampleAnswer& sample : record.samples)
    table.rows.push_back({std::to_string(record.step), sample.prompt, sample.answer});
  return table;
}

/// JSON as Markdown.
std::string code_of(const std::string& json) {
  return "```json\n" + json + "\n```";
}

class WandbSink final : public MetricsSink {
 public:
  WandbSink(const TrainOptions& o, std::string config)
      : settings_{o.output_dir,
                  o.wandb_project,
                  display_name(o),
                  "",
                  o.v1 ? "anemll_train_v1" : "anemll_train",
                  std::move(config),
                  "train/step",
                  {"train/*", "eval/*", "layers/*"}},
        annealing_(o.hard_top1_end.has_value()),
        evaluates_(o.eval_samples > 0) {}
  std::string name() const override { return "wandb"; }

  void train(const TrainRecord& t) override {
    std::vector<Metric> metrics = metrics_of(t, annealing_);
    if (!evaluates_) {
      const std::optional<double> best = open().summary("train/best_loss");
      metrics.push_back({"train/best_loss", best && *best <= t.loss ? *best : t.loss});
    }
    open().log(metrics);
  }

  void eval(const EvaluationRecord& e) override {
    open().log(metrics_of(e));
    if (!e.samples.empty())
      open().table(kSamples, sample_table(e),
                   std::vector<Metric>{{"train/step", static_cast<double>(e.step)}});
    if (!e.new_best && open().summary("best/eval_loss")) return;
    open().summarize(
        std::vector<Metric>{{"best/eval_loss", e.result.loss}, {"best/step", static_cast<double>(e.step)}});
  }

  void layers(const LayersRecord& record) override { open().log(metrics_of(record)); }
  void summary(const std::string& json) override { open().summarize(summary_metrics(json)); }
  void sync() override { open().sync(); }

  void end(const EndRecord& record) override {
    open().end(record.exit_code);
    open().tell_end();
  }

  std::string position() const override { return run_ ? run_->position() : std::string(); }

  void go_on(const LogMark&, const std::string& position) override {
    if (position.empty()) return;
    std::optional<WandbRun> run = WandbRun::go_on(settings_, position, log_origin());
    if (!run) {
      log_info("the W&B run of the state is not in this folder: a new one begins");
      return;
    }
    run_.emplace(std::move(*run));
    run_->tell_begin();
  }

 private:
  WandbRun& open() {
    if (!run_) {
      run_.emplace(settings_, log_origin());
      run_->tell_begin();
    }
    return *run_;
  }

  WandbSettings settings_;
  bool annealing_;
  bool evaluates_;
  std::optional<WandbRun> run_;
};

class TensorboardSink final : public MetricsSink {
 public:
  TensorboardSink(const TrainOptions& o, std::string config)
      : folder_(fs::path(o.output_dir) / kEventsFolder),
        config_(std::move(config)),
        annealing_(o.hard_top1_end.has_value()) {}

  std::string name() const override { return "tensorboard"; }
  void train(const TrainRecord& t) override {
    step_ = t.step;
    open().scalars(t.step, metrics_of(t, annealing_));
  }
  void eval(const EvaluationRecord& e) override {
    step_ = e.step;
    open().scalars(e.step, metrics_of(e));
    if (!e.samples.empty()) open().text(e.step, kSamples, markdown_of(sample_table(e)));
  }
  void layers(const LayersRecord& r) override { open().scalars(r.step, metrics_of(r)); }
  void summary(const std::string& json) override {
    open().scalars(step_, summary_metrics(json));
    open().text(step_, "summary", code_of(json));  // what is no number too
  }
  void sync() override { open().sync(); }
  std::string position() const override { return file_ ? file_->position() : std::string(); }

  void go_on(const LogMark& mark, const std::string& position) override {
    step_ = mark.step;
    first_step_ = mark.step + 1;
    if (!position.empty()) cut_events(folder_, position);
  }

 private:
  EventFile& open() {
    if (!file_) {
      file_.emplace(folder_, log_origin(), first_step_);
      if (!first_step_) file_->text(0, "config", code_of(config_));
      log_info("TensorBoard: tensorboard --logdir " + shell_word(folder_.string()));
    }
    return *file_;
  }

  fs::path folder_;
  std::string config_;
  bool annealing_;
  std::int64_t step_ = 0;                   ///< of the last event
  std::optional<std::int64_t> first_step_;  ///< of a run that goes on
  std::optional<EventFile> file_;
};

}  // namespace

std::vector<std::unique_ptr<MetricsSink>> make_tracking_sinks(const TrainOptions& options,
                                                              const std::string& config) {
  std::vector<std::unique_ptr<MetricsSink>> sinks;
  if (options.wandb) sinks.push_back(std::make_unique<WandbSink>(options, config));
  if (options.tensorboard) sinks.push_back(std::make_unique<TensorboardSink>(options, config));
  return sinks;
}

}  // namespace anemll
