// The fused loss against autograd over plain operations in double, in every combination of terms and paths.
#include "src/distill/kd_loss.hpp"

#include "tests/unit/distill/kd_checks.hpp"

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full_like.h>
#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(train_kd_loss)

using anemll::kd_loss;
using anemll::kd_loss_generic;
using anemll::KdLossOptions;
using anemll::KdLossSums;
using anemll::objective_named;
using anemll::test::all_terms;
using anemll::test::check_case;
using anemll::test::expected_kd_loss;
using anemll::test::kBf16Gradient;
using anemll::test::kBf16Sums;
using anemll::test::KdCase;
using anemll::test::KdExpected;
using anemll::test::kFp32;
using anemll::test::LossFunction;
using anemll::test::make_kd_case;
using anemll::test::relative_difference;

BOOST_AUTO_TEST_CASE(reference_values) {
  KdCase kd = make_kd_case({.tokens = 1, .vocab = 4, .hidden = 4, .cached = 4});
  kd.head = at::eye(4, at::kFloat);
  const float student[] = {2, 1, 0.5F, -1};
  const float teacher[] = {3, 0.5F, 0, -2};
  for (std::int64_t k = 0; k < 4; ++k) {
    kd.hidden.mutable_data_ptr<float>()[k] = student[k];
    kd.targets.topk_idx.mutable_data_ptr<std::int32_t>()[k] = static_cast<std::int32_t>(k);
    kd.targets.topk_logits.mutable_data_ptr<at::Half>()[k] = teacher[k];
  }
  KdLossOptions options;
  options.hard_top1 = 0.2;
  for (const LossFunction loss : {&kd_loss, &kd_loss_generic}) {
    const KdLossSums sums = loss(kd.hidden, kd.head, kd.targets, options, {});
    BOOST_TEST(std::abs(sums.kl - 0.30908406) < 1e-6);
    BOOST_TEST(std::abs(sums.ce - 0.49518189) < 1e-6);
    BOOST_TEST(std::abs(sums.total - (0.30908406 + 0.2 * 0.49518189)) < 1e-6);
  }
}

BOOST_AUTO_TEST_CASE(every_term_agrees_with_autograd) {
  const KdCase kd = make_kd_case({});
  for (const KdLossOptions& options : all_terms(objective_named("topk"))) {
    const KdExpected expected = expected_kd_loss(kd, options);
    check_case(&kd_loss, kd, expected, options, kFp32, kFp32);
    check_case(&kd_loss_generic, kd, expected, options, kFp32, kFp32);
  }
}

BOOST_AUTO_TEST_CASE(vocabulary_beyond_one_block) {
  const KdCase kd = make_kd_case({.tokens = 9, .vocab = 9001, .hidden = 40, .cached = 64, .negatives = 100});
  for (const KdLossOptions& options : all_terms(objective_named("topk"))) {
    check_case(&kd_loss, kd, expected_kd_loss(kd, options), options, kFp32, kFp32);
  }
}

BOOST_AUTO_TEST_CASE(large_logits_do_not_overflow) {
  const KdCase kd = make_kd_case({.logit_scale = 120});
  for (const KdLossOptions& options : all_terms(objective_named("topk"))) {
    // Logits of several hundred carry absolute errors of 1e-4, which is what a softmax sees.
    check_case(&kd_loss, kd, expected_kd_loss(kd, options), options, 1e-5, 2e-4);
  }
}

BOOST_AUTO_TEST_CASE(row_weights_scale_values_and_gradients) {
  KdCase kd = make_kd_case({});
  float* weight = kd.targets.weight.mutable_data_ptr<float>();
  weight[0] = 0;
  weight[3] = 0.5F;
  weight[7] = 2;
  weight[12] = 0;
  for (const KdLossOptions& options : all_terms(objective_named("topk"))) {
    const KdExpected expected = expected_kd_loss(kd, options);
    check_case(&kd_loss, kd, expected, options, kFp32, kFp32);
    check_case(&kd_loss_generic, kd, expected, options, kFp32, kFp32);
  }
}

BOOST_AUTO_TEST_CASE(both_paths_give_the_same_kl) {
  const KdCase kd = make_kd_case({.tokens = 37, .vocab = 500, .hidden = 48, .cached = 16});
  for (const double sampled : {0.0, 0.4}) {
    KdLossOptions candidates;
    candidates.sampled_ce_weight = sampled;
    KdLossOptions full = candidates;
    full.hard_top1 = 1e-12;  // takes the path with all logits and changes nothing else
    at::Tensor first = at::empty_like(kd.hidden);
    at::Tensor second = at::empty_like(kd.hidden);
    const KdLossSums a = kd_loss(kd.hidden, kd.head, kd.targets, candidates, first);
    const KdLossSums b = kd_loss(kd.hidden, kd.head, kd.targets, full, second);
    BOOST_TEST(a.ce == 0.0);
    BOOST_TEST(b.ce > 0.0);
    BOOST_TEST(std::abs(a.kl - b.kl) <= kFp32 * b.kl);
    BOOST_TEST(std::abs(a.sampled_ce - b.sampled_ce) <= kFp32 * b.sampled_ce);
    BOOST_TEST(relative_difference(first, second) <= kFp32);
  }
}

BOOST_AUTO_TEST_CASE(chunk_size_does_not_matter) {
  const KdCase kd = make_kd_case({.tokens = 70, .vocab = 300});
  KdLossOptions options = all_terms(objective_named("topk")).back();
  const KdExpected expected = expected_kd_loss(kd, options);
  for (const std::int64_t chunk : {1, 3, 32, 64, 70, 1000}) {
    options.chunk_tokens = chunk;
    check_case(&kd_loss, kd, expected, options, kFp32, kFp32);
    check_case(&kd_loss_generic, kd, expected, options, kFp32, kFp32);
  }
}

BOOST_AUTO_TEST_CASE(gradient_agrees_with_finite_differences_in_double) {
  KdCase kd = make_kd_case({.tokens = 4, .vocab = 50, .hidden = 6});
  kd.head = kd.head.to(at::kDouble);
  kd.hidden = kd.hidden.to(at::kDouble);
  for (const KdLossOptions& options : all_terms(objective_named("topk"))) {
    const at::Tensor gradient = at::empty_like(kd.hidden);
    kd_loss(kd.hidden, kd.head, kd.targets, options, gradient);
    const double step = 1e-5;
    double worst = 0;
    for (std::int64_t i = 0; i < kd.hidden.numel(); ++i) {
      const auto moved = [&](double delta) {
        const at::Tensor hidden = kd.hidden.clone();
        hidden.mutable_data_ptr<double>()[i] += delta;
        return kd_loss(hidden, kd.head, kd.targets, options, {}).total;
      };
      const double difference = (moved(step) - moved(-step)) / (2 * step);
      worst = std::fmax(worst, std::abs(difference - gradient.const_data_ptr<double>()[i]));
    }
    BOOST_TEST(worst < 1e-7);  // step^2 times third derivatives of order 100
  }
}

BOOST_AUTO_TEST_CASE(gradient_agrees_with_finite_differences_in_fp32) {
  const KdCase kd = make_kd_case({.tokens = 3, .vocab = 50, .hidden = 6});
  for (const KdLossOptions& options : all_terms(objective_named("topk"))) {
    const at::Tensor gradient = at::empty_like(kd.hidden);
    kd_loss(kd.hidden, kd.head, kd.targets, options, gradient);
    const float step = 0.0078125F;
    double worst = 0;
    for (std::int64_t i = 0; i < kd.hidden.numel(); ++i) {
      const auto moved = [&](float delta) {
        const at::Tensor hidden = kd.hidden.clone();
        hidden.mutable_data_ptr<float>()[i] += delta;
        return kd_loss(hidden, kd.head, kd.targets, options, {}).total;
      };
      const double difference = (moved(step) - moved(-step)) / (2 * double{step});
      worst = std::fmax(worst, std::abs(difference - double{gradient.const_data_ptr<float>()[i]}));
    }
    const double scale = gradient.abs().max().item<float>();
    BOOST_TEST(worst < 2e-3 * scale);  // rounding of logits over the step, and step^2
  }
}

BOOST_AUTO_TEST_CASE(bfloat16_head_with_full_logits) {
  KdCase kd = make_kd_case({.tokens = 200, .vocab = 1000, .hidden = 64, .cached = 32});
  kd.head = kd.head.to(at::kBFloat16);
  for (const KdLossOptions& options : all_terms(objective_named("topk"))) {
    if (options.hard_top1 + options.hard_full == 0) continue;
    const KdExpected expected = expected_kd_loss(kd, options);
    check_case(&kd_loss, kd, expected, options, kBf16Sums, kBf16Gradient);
    check_case(&kd_loss_generic, kd, expected, options, kBf16Sums, kBf16Gradient);
  }
}

BOOST_AUTO_TEST_CASE(bfloat16_head_without_hard_weights_keeps_fp32_sums) {
  KdCase kd = make_kd_case({.tokens = 20, .vocab = 1000, .hidden = 64, .cached = 32});
  kd.head = kd.head.to(at::kBFloat16);
  for (const KdLossOptions& options : all_terms(objective_named("topk"))) {
    if (options.hard_top1 + options.hard_full > 0) continue;
    const KdExpected expected = expected_kd_loss(kd, options);
    check_case(&kd_loss, kd, expected, options, kFp32, kFp32);
    check_case(&kd_loss_generic, kd, expected, options, kFp32, kFp32);
  }
}

BOOST_AUTO_TEST_SUITE_END()
