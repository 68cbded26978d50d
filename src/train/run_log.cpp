#include "src/train/run_log.hpp"

#include <cmath>

namespace anemll {
namespace {

LogStart start_of(const std::optional<std::int64_t>& resume_step) {
  return resume_step ? LogStart::append : LogStart::fresh;
}

}  // namespace

RunLog::RunLog(const std::filesystem::path& folder, std::optional<std::int64_t> resume_step,
               std::int64_t max_steps)
    : csv_(folder / "training_log.csv", start_of(resume_step)),
      metrics_(folder / "metrics.jsonl", start_of(resume_step)),
      progress_("training", max_steps, "steps"),
      max_steps_(max_steps) {
  if (!resume_step) return;
  csv_.truncate_after(*resume_step);
  metrics_.truncate_after(*resume_step);
}

void RunLog::train(const Train& t) {
  csv_.write({t.step, t.loss, std::nullopt, t.next_lr, t.elapsed_s});
  JsonLine line;
  line.add("kind", "train")
      .add("step", t.step)
      .add("loss", t.loss)
      .add("kl", t.kl)
      .add("ce", t.ce)
      .add("lr", t.lr);
  line.add("grad_norm", t.grad_norm).add("hard_top1", t.hard_top1).add("tokens_per_s", t.tokens_per_s);
  line.add("data_wait_s", t.data_wait_s).add("elapsed_s", t.elapsed_s).add("skipped", t.skipped);
  metrics_.write(line);
  log_info(
      strf("step %lld/%lld  loss %.6f  kl %.4f  lr %.2e  grad %.3g  %.0f tok/s  data wait %.1f s  eta %s",
           static_cast<long long>(t.step), static_cast<long long>(max_steps_), t.loss, t.kl, t.lr,
           t.grad_norm, t.tokens_per_s, t.data_wait_s, format_seconds(t.eta_s).c_str()));
}

void RunLog::evaluation(std::int64_t step, double loss, double best, double lr, double elapsed_s,
                        bool final_evaluation) {
  csv_.write({step, std::nullopt, loss, lr, elapsed_s});
  JsonLine line;
  line.add("kind", "eval").add("step", step).add("loss", loss).add("best_loss", std::fmin(best, loss));
  line.add("elapsed_s", elapsed_s).add("final", final_evaluation);
  metrics_.write(line);
  log_info(strf("step %lld/%lld  eval %.6f  best before %.6f%s", static_cast<long long>(step),
                static_cast<long long>(max_steps_), loss, best, loss < best ? "  (new best)" : ""));
}

void RunLog::summary(const std::string& json_object) {
  JsonLine line;
  line.add("kind", "summary").add_json("summary", json_object);
  metrics_.write(line);
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
