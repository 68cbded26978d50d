#include "src/train/run_log.hpp"

#include "anemll/core/file.hpp"

#include <cmath>
#include <string>
#include <string_view>

namespace anemll {
namespace {

LogStart start_of(const std::optional<RunLog::Lines>& keep) {
  return keep ? LogStart::append : LogStart::fresh;
}

/// Drops everything behind the first `lines` lines, in one step.
void cut(const std::filesystem::path& path, std::int64_t lines) {
  if (!std::filesystem::exists(path)) return;
  const std::string text = read_text(path);
  std::size_t end = 0;
  for (std::int64_t n = 0; n < lines && end < text.size(); ++n) {
    const std::size_t newline = text.find('\n', end);
    end = newline == std::string::npos ? text.size() : newline + 1;
  }
  if (end < text.size()) write_file(path, std::string_view(text).substr(0, end));
}

RunLog::Lines prepare(const std::filesystem::path& folder, const std::optional<RunLog::Lines>& keep) {
  if (!keep) return {1, 0};  // the header
  cut(folder / "training_log.csv", keep->csv);
  cut(folder / "metrics.jsonl", keep->metrics);
  return *keep;
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

RunLog::RunLog(const std::filesystem::path& folder, std::optional<Lines> keep, std::int64_t step,
               std::int64_t max_steps)
    : lines_(prepare(folder, keep)),
      csv_(folder / "training_log.csv", start_of(keep)),
      metrics_(folder / "metrics.jsonl", start_of(keep)),
      progress_("training", max_steps, "steps", step),
      max_steps_(max_steps) {}

void RunLog::write(const CsvRow& row) {
  csv_.write(row);
  ++lines_.csv;
}

void RunLog::write(const JsonLine& line) {
  metrics_.write(line);
  ++lines_.metrics;
}

void RunLog::train(const Train& t) {
  write(CsvRow{t.step, t.loss, std::nullopt, t.next_lr, t.elapsed_s});
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
  write(line);
  log_info(
      strf("step %lld/%lld  loss %.6f  kl %.4f  lr %.2e  grad %.3g  %.0f tok/s  data wait %.1f s  eta %s",
           static_cast<long long>(t.step), static_cast<long long>(max_steps_), t.loss, t.kl, t.lr,
           t.grad_norm, t.tokens_per_s, t.data_wait_s, format_seconds(t.eta_s).c_str()));
}

void RunLog::evaluation(const Evaluation& e) {
  const EvaluationResult& r = e.result;
  write(CsvRow{e.step, std::nullopt, r.loss, e.lr, e.elapsed_s});
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
  write(line);
  log_info(strf("step %lld/%lld  eval %.6f  best before %.6f%s%s", static_cast<long long>(e.step),
                static_cast<long long>(max_steps_), r.loss, e.best, r.loss < e.best ? "  (new best)" : "",
                divergences.c_str()));
}

void RunLog::summary(const std::string& json_object) {
  JsonLine line;
  line.add("kind", "summary").add_json("summary", json_object);
  write(line);
  progress_.finish();
}

void RunLog::sync() {
  csv_.sync();
  metrics_.sync();
}

void RunLog::tick(std::int64_t step) {
  progress_.update(step);
}

}  // namespace anemll
