#include "src/train/internal/log_sinks.hpp"

#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/metrics_log.hpp"
#include "src/core/printable.hpp"
#include "src/inspect/inspection.hpp"
#include "src/train/internal/record_figures.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

namespace fs = std::filesystem;

/// Writes the file anew when `cut` leaves something out. A log that cannot be read is left as it is.
void cut_file(const fs::path& path, const LogMark& mark,
              std::string (*cut)(std::string_view, const LogMark&)) {
  try {
    if (!fs::exists(path)) {
      log_warning(path.string() + " is gone: a new one starts behind step " + std::to_string(mark.step));
      return;
    }
    const std::string text = read_text(path);
    const std::string kept = cut(text, mark);
    if (kept != text) write_file(path, kept);
  } catch (const std::exception& e) {
    log_warning(std::string("a log cannot be cut at the resumed step: ") + e.what());
  }
}

/// A log that is opened when it is first written to, so that it may come back after a failure.
template <class Log>
class LazyLog {
 public:
  explicit LazyLog(fs::path path) : path_(std::move(path)) {}
  const fs::path& path() const { return path_; }
  Log& open() {
    if (!log_) log_.emplace(path_, LogStart::append);
    return *log_;
  }

 private:
  fs::path path_;
  std::optional<Log> log_;
};

class CsvSink final : public MetricsSink {
 public:
  explicit CsvSink(const fs::path& folder) : log_(folder / kCsvFile) {}
  std::string name() const override { return "csv"; }
  void train(const TrainRecord& t) override {
    log_.open().write({t.step, t.loss, std::nullopt, t.next_lr, t.elapsed_s});
  }
  void eval(const EvaluationRecord& e) override {
    log_.open().write({e.step, std::nullopt, e.result.loss, e.lr, e.elapsed_s});
  }
  void repeat_eval(const EvaluationRecord& e) override { eval(e); }  // as the reference's file has it
  void sync() override { log_.open().sync(); }
  void go_on(const LogMark& mark, const std::string&) override { cut_file(log_.path(), mark, cut_csv); }

 private:
  LazyLog<CsvLog> log_;
};

std::string list_json(const std::vector<std::string>& texts) {
  return nlohmann::json(texts).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// The last row of the kind `start`, without its line end; empty where there is none.
std::string_view last_start(std::string_view text) {
  constexpr std::string_view kFront = R"({"kind":"start")";
  for (std::size_t at = text.rfind(kFront); at != std::string_view::npos && at > 0;
       at = text.rfind(kFront, at - 1)) {
    if (text[at - 1] == '\n') return text.substr(at, text.find('\n', at) - at);
  }
  return text.starts_with(kFront) ? text.substr(0, text.find('\n')) : std::string_view();
}

class JsonlSink final : public MetricsSink {
 public:
  explicit JsonlSink(const fs::path& folder) : log_(folder / kMetricsFile) {}
  std::string name() const override { return "jsonl"; }

  /// Not where the last one says the same: a run that goes on leaves the log of one that was never stopped.
  void start(const StartRecord& s) override {
    JsonLine line;
    line.add("kind", "start").add_json("ran_on", list_json(s.hosts)).add("processor", s.processor);
    line.add("build", s.build).add_json("command", list_json(s.command));
    JsonlLog& log = log_.open();
    const std::string text = log.content();
    if (last_start(text) != line.text()) log.write(line);
  }

  void train(const TrainRecord& t) override { log_.open().write(json_of(t)); }
  void eval(const EvaluationRecord& e) override { log_.open().write(json_of(e)); }
  void layers(const LayersRecord& r) override { log_.open().write(json_of(r)); }

  void summary(const std::string& json) override {
    JsonLine line;
    line.add("kind", "summary").add_json("summary", json);
    log_.open().write(line);
  }
  void end(const EndRecord& e) override {
    if (e.exit_code == 0) return;  // the summary tells that
    JsonLine line;
    line.add("kind", "end").add("step", e.step).add("exit_code", e.exit_code);
    if (!e.error.empty()) line.add("error", e.error);
    log_.open().write(line);
  }
  void sync() override { log_.open().sync(); }
  void go_on(const LogMark& mark, const std::string&) override { cut_file(log_.path(), mark, cut_metrics); }

 private:
  LazyLog<JsonlLog> log_;
};

class TerminalSink final : public MetricsSink {
 public:
  explicit TerminalSink(std::int64_t max_steps) : max_steps_(max_steps) {}
  std::string name() const override { return "terminal"; }

  void train(const TrainRecord& t) override {
    log_info(
        strf("step %lld/%lld  loss %.6f  kl %.4f  lr %.2e  grad %.3g  %.0f tok/s  data wait %.1f s  eta %s",
             static_cast<long long>(t.step), static_cast<long long>(max_steps_), t.loss, t.kl, t.lr,
             t.grad_norm, t.tokens_per_s, t.data_wait_s, format_seconds(t.eta_s).c_str()));
  }

  void eval(const EvaluationRecord& e) override {
    const EvaluationResult& r = e.result;
    std::string divergences;  // "  KL train 0.5200 (top-1 63.1%), text 0.6"
    const auto add = [&divergences](const char* name, const std::optional<DivergenceSummary>& d) {
      if (!d) return;
      divergences +=
          strf("%s %s %.4f (top-1 %.1f%%)", divergences.empty() ? "  KL" : ",", name, d->mean, 100 * d->top1);
    };
    add("train", r.train);
    add("holdout", r.holdout);
    add("text", r.text);
    if (r.sources.size() > 1) {
      for (const SourceDivergence& source : r.sources)
        divergences += strf(", %s %.4f", source.name.c_str(), source.divergence.mean);
    }
    // What decides stands beside its best.
    const std::string decides =
        e.best_holdout_kl && r.holdout_kl ? strf("  held-out KL %.6f", *r.holdout_kl) : "";
    log_info(strf("step %lld/%lld  eval %.6f%s  best before %.6f%s%s", static_cast<long long>(e.step),
                  static_cast<long long>(max_steps_), r.loss, decides.c_str(),
                  decides.empty() ? e.best : *e.best_holdout_kl, e.new_best ? "  (new best)" : "",
                  divergences.c_str()));
    for (const SampleAnswer& sample : e.samples)
      log_info("  > " + printable(sample.prompt) + "\n    " + printable(sample.answer));
  }

  void layers(const LayersRecord& r) override {
    constexpr std::size_t kShown = 3;
    const std::vector<LayerStatistics>& all = r.inspection.layers;
    std::string worst;
    for (std::size_t i = 0; i < std::min(kShown, all.size()); ++i) {
      if (!all[i].output) continue;
      worst += strf("%s %.4f %s", worst.empty() ? "" : ",", all[i].output->relative(), all[i].name.c_str());
    }
    log_info(strf("step %lld/%lld  largest output errors%s", static_cast<long long>(r.step),
                  static_cast<long long>(max_steps_), worst.c_str()));
  }

 private:
  std::int64_t max_steps_;
};

}  // namespace

std::unique_ptr<MetricsSink> make_csv_sink(const fs::path& folder) {
  return std::make_unique<CsvSink>(folder);
}

std::unique_ptr<MetricsSink> make_jsonl_sink(const fs::path& folder) {
  return std::make_unique<JsonlSink>(folder);
}

std::unique_ptr<MetricsSink> make_terminal_sink(std::int64_t max_steps) {
  return std::make_unique<TerminalSink>(max_steps);
}

}  // namespace anemll
