// A high loss at the first step: told as normal, and warned of where it does not fall.
#include "src/train/internal/first_loss.hpp"

#include "tests/support/capture.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include <boost/test/unit_test.hpp>
#include <unistd.h>

using namespace anemll;

namespace {

constexpr const char* kNormal = "normal for a start from scratch";
constexpr const char* kNotHalved = "it has not halved";

/// What is told of a run whose loss at a step is `loss(step)`.
std::string told(const std::function<double(std::int64_t)>& loss, std::int64_t steps,
                 bool from_scratch = true, RunNumbers numbers = {}) {
  const TrainOptions options;
  test::Capture capture(STDERR_FILENO);
  FirstLoss first(options, from_scratch, true);
  while (numbers.step < steps) {
    StepReport report;
    report.loss.tokens = 50;
    report.loss.total = 50 * loss(++numbers.step);
    report.skipped = !std::isfinite(report.loss.total);
    first.observe(report, numbers);
  }
  return capture.text();
}

bool has(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(first_loss)

BOOST_AUTO_TEST_CASE(a_high_one_is_explained_once) {
  const std::string text = told([](std::int64_t step) { return 9.0 / static_cast<double>(step); }, 400);
  BOOST_TEST(has(text, "the first loss is 9.00"), text);
  BOOST_TEST(has(text, "about 3.0 after 100 steps and 2.2 after 300"), text);
  BOOST_TEST(text.find(kNormal) == text.rfind(kNormal), text);
  BOOST_TEST(!has(text, kNotHalved), text);
  BOOST_TEST(told([](std::int64_t) { return 4.9; }, 400).empty());
  BOOST_TEST(told([](std::int64_t) { return 9.0; }, 299, false).empty());  // of a checkpoint
}

BOOST_AUTO_TEST_CASE(one_that_stays_is_a_warning_with_causes) {
  const auto slow = [](std::int64_t step) { return 8.0 - 0.01 * static_cast<double>(step); };
  BOOST_TEST(!has(told(slow, 299), kNotHalved));
  const std::string text = told(slow, 350);
  BOOST_TEST(has(text, "was 7.99 at the first step"), text);
  BOOST_TEST(has(text, "warning"), text);
  BOOST_TEST(has(text, "Likely causes"), text);
  BOOST_TEST(has(text, "anemll_cache info"), text);
  BOOST_TEST(text.find(kNotHalved) == text.rfind(kNotHalved), text);
}

BOOST_AUTO_TEST_CASE(single_steps_decide_nothing) {
  // Half at last, with one step that is high again; steps without a number count for nothing.
  const auto noisy = [](std::int64_t step) {
    if (step == 1 || step == 20) return std::numeric_limits<double>::quiet_NaN();
    return step == 300 ? 9.0 : step < 200 ? 9.0 : 3.0;
  };
  const std::string text = told(noisy, 310);
  BOOST_TEST(has(text, "the first loss is 9.00"), text);
  BOOST_TEST(!has(text, kNotHalved), text);
}

BOOST_AUTO_TEST_CASE(a_run_that_goes_on_knows_its_first_loss) {
  RunNumbers saved;
  saved.step = 250;
  saved.first_loss = 10;
  const RunNumbers read = RunNumbers::from_json(saved.to_json());
  BOOST_TEST(read.first_loss == 10);
  const std::string text = told([](std::int64_t) { return 6.0; }, 310, false, read);
  BOOST_TEST(has(text, kNotHalved), text);
  BOOST_TEST(!has(text, kNormal), text);
  // A state from before there was this number has none, and a run from elsewhere too.
  BOOST_TEST(std::isnan(RunNumbers::from_json(RunNumbers().to_json()).first_loss));
  saved.first_loss = std::numeric_limits<double>::quiet_NaN();
  BOOST_TEST(told([](std::int64_t) { return 6.0; }, 310, false, saved).empty());
}

BOOST_AUTO_TEST_CASE(causes_are_those_that_the_options_have) {
  const auto names = [](const TrainOptions& options, const std::string& part) {
    const auto causes = causes_of_high_loss(options);
    return std::ranges::any_of(causes,
                               [&](const std::string& c) { return c.find(part) != std::string::npos; });
  };
  TrainOptions o;
  BOOST_TEST(causes_of_high_loss(o).size() == 1u);
  BOOST_TEST(names(o, "another model or tokenizer"));
  o.lr = 1e-6;
  BOOST_TEST(names(o, "--lr 1e-06 is small"));
  o.lr = 0.1;
  BOOST_TEST(names(o, "--lr 0.1 is so high"));
  o.warmup_steps = 500;
  BOOST_TEST(names(o, "--warmup-steps 500"));
  o.clip_grad_norm = 1e-3;
  BOOST_TEST(names(o, "--clip-grad-norm 0.001"));
  o.g_only = true;
  BOOST_TEST(names(o, "only a part"));
  o.hard_top1 = 2;
  BOOST_TEST(names(o, "hard weights"));
  o.batch_size = 1;
  BOOST_TEST(names(o, "few sequences"));
}

BOOST_AUTO_TEST_SUITE_END()
