// The objectives that look at the whole vocabulary: against autograd in double, against each other, and at
// their edges.
#include "anemll/core/error.hpp"
#include "src/distill/kd_loss.hpp"
#include "src/distill/kd_token.hpp"
#include "tests/unit/distill/kd_checks.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/log.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/where.h>
#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(train_kd_objectives)

using anemll::kd_loss;
using anemll::kd_loss_generic;
using anemll::KdLossOptions;
using anemll::KdLossSums;
using anemll::KdObjective;
using anemll::objective_named;
using anemll::test::check_case;
using anemll::test::expected_kd_loss;
using anemll::test::kBf16Gradient;
using anemll::test::kBf16Sums;
using anemll::test::KdCase;
using anemll::test::KdExpected;
using anemll::test::KdShape;
using anemll::test::kFp32;
using anemll::test::LossFunction;
using anemll::test::relative_difference;

namespace {

/// As make_kd_case, with a teacher of its own hidden states whose top-k and log-sum-exp are the targets.
/// `distance`: deviation of the student's hidden states from the teacher's.
KdCase teacher_case(const KdShape& shape, double temperature, double distance = 1, bool half = true) {
  KdCase kd = anemll::test::make_kd_case(shape);
  std::mt19937 engine(11);
  kd.targets.teacher_hidden =
      anemll::test::random_normal({shape.tokens, shape.hidden}, 1.0, engine).to(at::kHalf);
  kd.hidden = kd.hidden * distance + kd.targets.teacher_hidden.to(at::kFloat);
  const at::Tensor logits = kd.targets.teacher_hidden.to(at::kDouble).mm(kd.head.to(at::kDouble).t());
  kd.targets.teacher_lse = at::logsumexp(logits / temperature, 1).to(at::kFloat);
  const auto [values, ids] = logits.topk(shape.cached, 1);
  kd.targets.topk_idx = ids.to(at::kInt);
  kd.targets.topk_logits = half ? values.to(at::kHalf) : values;
  return kd;
}

/// Of both objectives that look at the whole vocabulary.
std::vector<KdLossOptions> all_terms() {
  std::vector<KdLossOptions> out = anemll::test::all_terms(objective_named("topk-tail"));
  const std::vector<KdLossOptions> exact = anemll::test::all_terms(objective_named("exact"));
  out.insert(out.end(), exact.begin(), exact.end());
  return out;
}

/// The mean divergence per token.
double kl_of(const KdCase& kd, KdObjective objective, double temperature, LossFunction loss = &kd_loss) {
  KdLossOptions options;
  options.objective = objective;
  options.temperature = temperature;
  const KdLossSums sums = loss(kd.hidden, kd.head, kd.targets, options, {});
  return sums.kl / sums.tokens;
}

int error_code(const KdCase& kd, const KdLossOptions& options) {
  try {
    kd_loss(kd.hidden, kd.head, kd.targets, options, {});
  } catch (const anemll::Error& error) {
    return static_cast<int>(error.code());
  }
  return 0;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_term_agrees_with_autograd) {
  for (const KdLossOptions& options : all_terms()) {
    KdCase kd = teacher_case({}, options.temperature);
    float* weight = kd.targets.weight.mutable_data_ptr<float>();
    weight[0] = 0;
    weight[3] = 0.5F;
    weight[12] = 0;
    const KdExpected want = expected_kd_loss(kd, options);
    check_case(&kd_loss, kd, want, options, kFp32, kFp32);
    check_case(&kd_loss_generic, kd, want, options, kFp32, kFp32);
  }
}

BOOST_AUTO_TEST_CASE(vocabulary_beyond_one_block_and_large_logits) {
  for (const KdLossOptions& options : all_terms()) {
    const KdCase kd = teacher_case({.tokens = 9, .vocab = 9001, .hidden = 40, .cached = 64, .negatives = 100},
                                   options.temperature);
    check_case(&kd_loss, kd, expected_kd_loss(kd, options), options, kFp32, kFp32);
    const KdCase large = teacher_case({.logit_scale = 40}, options.temperature);
    // Logits of a hundred carry absolute errors of 1e-5, which is what a softmax sees.
    check_case(&kd_loss, large, expected_kd_loss(large, options), options, 1e-5, 1e-4);
    check_case(&kd_loss_generic, large, expected_kd_loss(large, options), options, 1e-5, 1e-4);
  }
}

BOOST_AUTO_TEST_CASE(gradient_in_double) {
  for (const KdLossOptions& options : all_terms()) {
    KdCase kd = teacher_case({.tokens = 4, .vocab = 50, .hidden = 6}, options.temperature);
    kd.head = kd.head.to(at::kDouble);
    kd.hidden = kd.hidden.to(at::kDouble);
    check_case(&kd_loss, kd, expected_kd_loss(kd, options), options, 1e-12, 1e-11);
  }
}

BOOST_AUTO_TEST_CASE(chunk_size_does_not_matter) {
  for (KdLossOptions options : all_terms()) {
    const KdCase kd = teacher_case({.tokens = 40, .vocab = 300}, options.temperature);
    const KdExpected want = expected_kd_loss(kd, options);
    for (const std::int64_t chunk : {1, 39, 1000}) {
      options.chunk_tokens = chunk;
      check_case(&kd_loss, kd, want, options, kFp32, kFp32);
      check_case(&kd_loss_generic, kd, want, options, kFp32, kFp32);
    }
  }
}

BOOST_AUTO_TEST_CASE(bfloat16_head) {
  for (const KdLossOptions& options : all_terms()) {
    KdCase kd = teacher_case({.tokens = 200, .vocab = 1000, .hidden = 64, .cached = 32}, options.temperature);
    kd.head = kd.head.to(at::kBFloat16);
    const KdExpected want = expected_kd_loss(kd, options);
    check_case(&kd_loss, kd, want, options, kBf16Sums, kBf16Gradient);
    check_case(&kd_loss_generic, kd, want, options, kBf16Sums, kBf16Gradient);
  }
}

// What the product of the difference is for: close to the teacher, bfloat16 logits (off by up to 0.03 each)
// would show a divergence of about 2e-4 where there is none.
BOOST_AUTO_TEST_CASE(exact_keeps_small_divergences_in_bfloat16) {
  KdLossOptions options;
  options.objective = objective_named("exact");
  options.temperature = 1;
  KdCase kd = teacher_case({.tokens = 200, .vocab = 1000, .hidden = 64}, 1, 0.003);
  kd.head = kd.head.to(at::kBFloat16);
  const KdExpected want = expected_kd_loss(kd, options);
  BOOST_TEST(want.sums.kl / want.sums.tokens < 1e-4);
  check_case(&kd_loss, kd, want, options, 5e-2, 0.2);
  check_case(&kd_loss_generic, kd, want, options, 5e-2, 0.2);
  kd.hidden = kd.targets.teacher_hidden.to(at::kFloat);
  BOOST_TEST(std::abs(kl_of(kd, objective_named("exact"), 1)) < 1e-9);
}

BOOST_AUTO_TEST_CASE(the_tail_is_a_lower_bound) {
  for (const LossFunction loss : {&kd_loss, &kd_loss_generic}) {
    double before = 0;
    for (const std::int64_t cached : {1, 2, 8, 50, 100}) {
      KdCase kd = teacher_case({.cached = 8}, 2, 1, false);
      const at::Tensor logits = kd.targets.teacher_hidden.to(at::kDouble).mm(kd.head.to(at::kDouble).t());
      const auto [values, ids] = logits.topk(cached, 1);
      kd.targets.topk_idx = ids.to(at::kInt);
      kd.targets.topk_logits = values;
      const double tail = kl_of(kd, objective_named("topk-tail"), 2, loss);
      const double exact = kl_of(kd, objective_named("exact"), 2, loss);
      BOOST_TEST(tail > before);  // a finer partition sees more
      BOOST_TEST(tail < exact * (1 + kFp32));
      before = tail;
    }
  }
}

BOOST_AUTO_TEST_CASE(with_the_whole_vocabulary_cached_both_are_one) {
  for (const double hard : {0.0, 0.2}) {
    KdLossOptions options;
    options.hard_top1 = hard;
    const KdCase kd = teacher_case({.cached = 101}, 2, 1, false);
    options.objective = objective_named("exact");
    const KdExpected want = expected_kd_loss(kd, options);
    options.objective = objective_named("topk-tail");
    check_case(&kd_loss, kd, want, options, kFp32, kFp32);
    check_case(&kd_loss_generic, kd, want, options, kFp32, kFp32);
  }
}

BOOST_AUTO_TEST_CASE(rounded_logits_that_sum_past_one_have_no_tail) {
  const std::vector<float> student{2, 1, 0.5F};
  const std::vector<float> teacher{10, 8, 1};
  const double lse = anemll::log_sum_exp(teacher, 0.5) - 1e-3;  // what half rounding can do to the sum
  std::vector<double> slope(3);
  const auto terms = anemll::kd_tail_terms(teacher, student, 2, lse, -4.0, slope);
  const double student_norm = anemll::log_add_exp(anemll::log_sum_exp(student, 0.5), -4.0);
  double kl = 0;
  for (std::size_t k = 0; k < 3; ++k) {
    const double log_p = 0.5 * double{teacher[k]} - anemll::log_sum_exp(teacher, 0.5);
    kl += 4 * std::exp(log_p) * (log_p - 0.5 * double{student[k]} + student_norm);
  }
  BOOST_TEST(std::abs(terms.kl - kl) < 1e-12);
  BOOST_TEST(std::abs(terms.tail_slope - 2 * std::exp(-4.0 - student_norm)) < 1e-12);
  BOOST_TEST(std::abs(slope[0] + slope[1] + slope[2] + terms.tail_slope) < 1e-12);  // mass is conserved
}

BOOST_AUTO_TEST_CASE(a_vanishing_tail_keeps_its_slope) {
  const std::vector<float> student{40, 1};
  const std::vector<float> teacher{3, 1};
  const double lse = anemll::log_add_exp(anemll::log_sum_exp(teacher, 1.0), -1.0);
  // q of the tail is e^-60: 1 - q(K) would be 0 in double, and its logarithm infinite.
  const auto terms = anemll::kd_tail_terms(teacher, student, 1, lse, -20.0, {});
  const double p_tail = std::exp(-1.0 - lse);
  BOOST_TEST(std::abs(terms.tail_slope / -p_tail - 1) < 1e-12);
  BOOST_TEST(terms.kl > 59 * p_tail);
  BOOST_TEST(std::isfinite(terms.kl));
}

BOOST_AUTO_TEST_CASE(rows_of_weight_zero_are_not_read_and_nan_stays_in_its_row) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (KdLossOptions options : all_terms()) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      for (const auto loss : {&kd_loss, &kd_loss_generic}) {
        KdCase kd = teacher_case({}, options.temperature);
        kd.head = kd.head.to(dtype);
        kd.targets.weight.select(0, 2).fill_(0);
        const KdLossSums clean = loss(kd.hidden, kd.head, kd.targets, options, {});
        kd.hidden.select(0, 2).fill_(nan);
        kd.targets.topk_idx.select(0, 2).fill_(-7);
        kd.targets.topk_logits.select(0, 2).fill_(nan);
        kd.targets.teacher_lse.select(0, 2).fill_(nan);
        kd.targets.teacher_hidden.select(0, 2).fill_(nan);
        const at::Tensor gradient = at::empty_like(kd.hidden);
        const KdLossSums sums = loss(kd.hidden, kd.head, kd.targets, options, gradient);
        BOOST_TEST(sums.total == clean.total);
        BOOST_TEST(gradient.select(0, 2).abs().max().item<float>() == 0.0F);
        BOOST_TEST(gradient.isfinite().all().item<bool>());

        // Broken values make the sum NaN, wherever they come from, and touch no other row.
        const auto breaks = [&](at::Tensor& tensor) {
          const at::Tensor kept = tensor.clone();
          tensor.select(0, 5).fill_(nan);
          BOOST_TEST(std::isnan(loss(kd.hidden, kd.head, kd.targets, options, gradient).kl));
          BOOST_TEST(!gradient.select(0, 5).isfinite().any().item<bool>());
          BOOST_TEST(gradient.select(0, 4).isfinite().all().item<bool>());
          BOOST_TEST(gradient.select(0, 6).isfinite().all().item<bool>());
          tensor = kept;
        };
        breaks(kd.hidden);
        breaks(options.objective == objective_named("exact") ? kd.targets.teacher_hidden
                                                             : kd.targets.teacher_lse);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(repeats_bit_for_bit_and_leaves_its_inputs_alone) {
  for (const KdLossOptions& options : all_terms()) {
    KdCase kd = teacher_case({.tokens = 31, .vocab = 700}, options.temperature);
    const at::Tensor hidden = kd.hidden.clone();
    const at::Tensor first = at::empty_like(hidden);
    const at::Tensor again = at::empty_like(hidden);
    const double once = kd_loss(kd.hidden, kd.head, kd.targets, options, first).total;
    BOOST_TEST(kd_loss(kd.hidden, kd.head, kd.targets, options, again).total == once);
    BOOST_TEST(first.equal(again));
    BOOST_TEST(hidden.equal(kd.hidden));
  }
}

BOOST_AUTO_TEST_CASE(missing_targets_are_usage_errors) {
  KdLossOptions options;
  const KdCase good = teacher_case({}, 2);
  for (const KdObjective objective : {objective_named("topk-tail"), objective_named("exact")}) {
    options.objective = objective;
    BOOST_TEST(error_code(good, options) == 0);
    KdCase kd = good;
    (objective == objective_named("exact") ? kd.targets.teacher_hidden : kd.targets.teacher_lse) =
        at::Tensor();
    BOOST_TEST(error_code(kd, options) == static_cast<int>(anemll::ExitCode::usage));
    kd = good;
    kd.targets.topk_idx = good.targets.topk_idx.clone();
    kd.targets.topk_idx.select(0, 3).fill_(101);
    BOOST_TEST(error_code(kd, options) == static_cast<int>(anemll::ExitCode::data));
  }
}

BOOST_AUTO_TEST_SUITE_END()
