// See first_loss.hpp. What to expect was measured on SmolLM2-135M with q2a4 and batches of 8: from 7.4 to 2.3
// after 100 steps and 1.7 after 300.
#include "src/train/internal/first_loss.hpp"

#include "anemll/core/log.hpp"

#include <cmath>
#include <cstddef>
#include <numeric>

namespace anemll {
namespace {

constexpr double kAfter100 = 1.0 / 3, kAfter300 = 1.0 / 4;
constexpr std::size_t kWindow = 20;  // steps whose mean is compared
constexpr double kLowRate = 2e-5, kHighRate = 2e-3;
constexpr double kTightClip = 0.05;
constexpr double kLargeHardWeight = 1;

struct Cause {
  bool (*holds)(const TrainOptions&);
  std::string (*words)(const TrainOptions&);
};

bool trains_a_part(const TrainOptions& o) {
  return o.g_only || o.mlp_only || o.attn_only || o.freeze_mags || o.freeze_mags_mlp || o.train_norms_only;
}

const Cause kCauses[] = {
    {[](const TrainOptions& o) { return o.lr < kLowRate; },
     [](const TrainOptions& o) { return strf("--lr %g is small for a start from scratch", o.lr); }},
    {[](const TrainOptions& o) { return o.lr > kHighRate; },
     [](const TrainOptions& o) { return strf("--lr %g is so high that steps overshoot", o.lr); }},
    {[](const TrainOptions& o) { return o.warmup_steps >= kHalvedByStep; },
     [](const TrainOptions& o) {
       return strf("the rate still rises (--warmup-steps %lld)", static_cast<long long>(o.warmup_steps));
     }},
    {[](const TrainOptions& o) { return o.clip_grad_norm > 0 && o.clip_grad_norm < kTightClip; },
     [](const TrainOptions& o) { return strf("--clip-grad-norm %g shortens each step", o.clip_grad_norm); }},
    {trains_a_part,
     [](const TrainOptions&) {
       return std::string("only a part of the scales is trained: the others stay as rough as they started");
     }},
    {[](const TrainOptions& o) { return o.hard_top1 + o.hard_full >= kLargeHardWeight; },
     [](const TrainOptions&) {
       return std::string("the hard weights are large: their part of the loss never falls to 0");
     }},
    {[](const TrainOptions& o) { return o.batch_size * o.accumulation_steps < 4; },
     [](const TrainOptions&) {
       return std::string("a step has few sequences: its gradient is mostly noise");
     }},
    {[](const TrainOptions&) { return true; },
     [](const TrainOptions&) {
       return std::string("the cache is of another model or tokenizer (anemll_cache info names its teacher)");
     }},
};

}  // namespace

std::string high_first_loss_text(double loss) {
  return strf(
      "the first loss is %.2f: normal for a start from scratch, whose scales are a first estimate. "
      "Expect about %.1f after 100 steps and %.1f after 300",
      loss, loss * kAfter100, loss * kAfter300);
}

std::vector<std::string> causes_of_high_loss(const TrainOptions& options) {
  std::vector<std::string> words;
  for (const Cause& cause : kCauses) {
    if (cause.holds(options)) words.push_back(cause.words(options));
  }
  return words;
}

void FirstLoss::observe(const StepReport& report, RunNumbers& numbers) {
  if (report.skipped || numbers.step > kHalvedByStep) return;
  const double loss = report.loss.total / report.loss.tokens;
  if (from_scratch_ && std::isnan(numbers.first_loss)) {
    numbers.first_loss = loss;
    if (tells_ && loss > kHighFirstLoss) log_info(high_first_loss_text(loss));
  }
  recent_.push_back(loss);
  if (recent_.size() > kWindow) recent_.pop_front();
  if (numbers.step != kHalvedByStep || !(numbers.first_loss > kHighFirstLoss)) return;
  const double now =
      std::accumulate(recent_.begin(), recent_.end(), 0.0) / static_cast<double>(recent_.size());
  if (!tells_ || now <= numbers.first_loss / 2) return;
  std::string causes;
  for (const std::string& cause : causes_of_high_loss(options_))
    causes.append(causes.empty() ? "" : "; ").append(cause);
  log_warning(
      strf("the loss was %.2f at the first step and is %.2f at step %lld: it has not halved. "
           "Likely causes: %s",
           numbers.first_loss, now, static_cast<long long>(numbers.step), causes.c_str()));
}

}  // namespace anemll
