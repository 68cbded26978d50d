#include "src/train/run_log.hpp"

#include "anemll/core/file.hpp"

#include <cmath>
#include <exception>
#include <string>
#include <string_view>

namespace anemll {
namespace {

constexpr const char* kCsv = "training_log.csv";
constexpr const char* kMetrics = "metrics.jsonl";

/// Writes the file anew when `cut` leaves something out. A log that cannot be read is left as it is.
void cut_file(const std::filesystem::path& path, const LogMark& mark,
              std::string (*cut)(std::string_view, const LogMark&)) {
  try {
    if (!std::filesystem::exists(path)) {
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

/// Keys NAME_kl_mean and so on; for people "  KL train 0.52 (top-1 63.1%)".
void add_divergence(JsonLine& line, const std::string& name, const std::optional<DivergenceSummary>& d,
                    std::string& text) {
  if (!d) return;
  line.add(name + "_kl_mean", d->mean)
      .add(name + "_kl_median", d->median)
      .add(name + "_kl_p99", d->p99)
      .add(name + "_top1", d->top1)
      .add(name + "_positions", d->positions);
  text +=
      strf("%s %s %.4f (top-1 %.1f%%)", text.empty() ? "  KL" : ",", name.c_str(), d->mean, 100 * d->top1);
}

}  // namespace

template <class Log, class Action>
void RunLog::attempt(File<Log>& file, const Action& action) {
  try {
    if (!file.log) file.log.emplace(file.path, LogStart::append);
    action(*file.log);
  } catch (const std::exception& e) {
    if (!file.told) log_warning(std::string("a log is not written, the run goes on: ") + e.what());
    file.told = true;
  }
}

RunLog::RunLog(const std::filesystem::path& folder, const std::optional<LogMark>& mark, std::int64_t step,
               std::int64_t max_steps)
    : csv_{folder / kCsv, std::nullopt, false},
      metrics_{folder / kMetrics, std::nullopt, false},
      progress_("training", max_steps, "steps", step),
      max_steps_(max_steps) {
  if (mark) {
    cut_file(csv_.path, *mark, cut_csv);
    cut_file(metrics_.path, *mark, cut_metrics);
  }
  attempt(csv_, [](CsvLog&) {});  // the header is there from the start
  attempt(metrics_, [](JsonlLog&) {});
}

void RunLog::copy(const std::filesystem::path& from, const std::filesystem::path& to) {
  for (const char* name : {kCsv, kMetrics}) {
    if (!std::filesystem::is_regular_file(from / name)) continue;
    try {
      write_file(to / name, read_text(from / name));
    } catch (const std::exception& e) {
      log_warning(std::string("a log cannot be copied: ") + e.what());
    }
  }
}

void RunLog::train(const Train& t) {
  attempt(csv_, [&](CsvLog& log) { log.write({t.step, t.loss, std::nullopt, t.next_lr, t.elapsed_s}); });
  JsonLine line;
  line.add("kind", "train")
      .add("step", t.step)
      .add("loss", t.loss)
      .add("kl", t.kl)
      .add("ce", t.ce)
      .add("lr", t.lr)
      .add("next_lr", t.next_lr);
  line.add("grad_norm", t.grad_norm).add("hard_top1", t.hard_top1).add("tokens_per_s", t.tokens_per_s);
  line.add("data_wait_s", t.data_wait_s).add("elapsed_s", t.elapsed_s).add("skipped", t.skipped);
  attempt(metrics_, [&](JsonlLog& log) { log.write(line); });
  log_info(
      strf("step %lld/%lld  loss %.6f  kl %.4f  lr %.2e  grad %.3g  %.0f tok/s  data wait %.1f s  eta %s",
           static_cast<long long>(t.step), static_cast<long long>(max_steps_), t.loss, t.kl, t.lr,
           t.grad_norm, t.tokens_per_s, t.data_wait_s, format_seconds(t.eta_s).c_str()));
}

void RunLog::evaluation(const Evaluation& e) {
  const EvaluationResult& r = e.result;
  attempt(csv_, [&](CsvLog& log) { log.write({e.step, std::nullopt, r.loss, e.lr, e.elapsed_s}); });
  JsonLine line;
  line.add("kind", "eval")
      .add("step", e.step)
      .add("loss", r.loss)
      .add("best_loss", std::fmin(e.best, r.loss))
      .add("next_lr", e.lr);
  line.add("elapsed_s", e.elapsed_s).add("final", e.final_evaluation);
  if (r.holdout_loss) line.add("holdout_loss", *r.holdout_loss);
  std::string divergences;
  add_divergence(line, "train", r.train, divergences);
  add_divergence(line, "holdout", r.holdout, divergences);
  add_divergence(line, "text", r.text, divergences);
  if (r.text) {
    line.add("text_student_ppl", std::exp(r.text->student_nll));
    line.add("text_teacher_ppl", std::exp(r.text->teacher_nll));
  }
  attempt(metrics_, [&](JsonlLog& log) { log.write(line); });
  log_info(strf("step %lld/%lld  eval %.6f  best before %.6f%s%s", static_cast<long long>(e.step),
                static_cast<long long>(max_steps_), r.loss, e.best, r.loss < e.best ? "  (new best)" : "",
                divergences.c_str()));
}

void RunLog::summary(const std::string& json_object) {
  JsonLine line;
  line.add("kind", "summary").add_json("summary", json_object);
  attempt(metrics_, [&](JsonlLog& log) { log.write(line); });
  progress_.finish();
}

void RunLog::sync() {
  attempt(csv_, [](CsvLog& log) { log.sync(); });
  attempt(metrics_, [](JsonlLog& log) { log.sync(); });
}

void RunLog::tick(std::int64_t step) {
  progress_.update(step);
}

}  // namespace anemll
