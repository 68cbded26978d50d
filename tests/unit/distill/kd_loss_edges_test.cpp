// Padding, values that are not numbers, refused arguments, repeatability.
#include "anemll/core/error.hpp"
#include "src/distill/kd_loss.hpp"
#include "tests/unit/distill/kd_case.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>
#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(train_kd_loss_edges)

using anemll::ExitCode;
using anemll::kd_loss;
using anemll::kd_loss_generic;
using anemll::KdLossOptions;
using anemll::KdLossSums;
using anemll::test::KdCase;
using anemll::test::make_kd_case;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

KdLossOptions options_with(double hard, double sampled) {
  KdLossOptions options;
  options.hard_top1 = hard;
  options.sampled_ce_weight = sampled;
  options.chunk_tokens = 4;
  return options;
}

bool row_is(const at::Tensor& gradient, std::int64_t row, bool (*predicate)(float)) {
  const float* data = gradient.const_data_ptr<float>() + row * gradient.size(1);
  for (std::int64_t i = 0; i < gradient.size(1); ++i) {
    if (!predicate(data[i])) return false;
  }
  return true;
}
bool is_zero(float x) {
  return x == 0;
}
bool is_nan(float x) {
  return std::isnan(x);
}
bool is_finite(float x) {
  return std::isfinite(x);
}

int error_code(const KdCase& kd, const KdLossOptions& options, const at::Tensor& gradient = {}) {
  try {
    kd_loss(kd.hidden, kd.head, kd.targets, options, gradient);
  } catch (const anemll::Error& error) {
    return static_cast<int>(error.code());
  }
  return 0;
}

}  // namespace

BOOST_AUTO_TEST_CASE(rows_of_weight_zero_are_not_read) {
  const KdCase clean = make_kd_case({});
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const double hard : {0.0, 0.2}) {
      KdCase kd = clean;
      kd.head = clean.head.to(dtype);
      kd.hidden = clean.hidden.clone();
      kd.targets.topk_idx = clean.targets.topk_idx.clone();
      kd.targets.weight = clean.targets.weight.clone();
      kd.targets.weight.mutable_data_ptr<float>()[2] = 0;
      const KdLossOptions options = options_with(hard, 0.3);
      const at::Tensor before = at::empty_like(kd.hidden);
      const KdLossSums expected = kd_loss(kd.hidden, kd.head, kd.targets, options, before);
      kd.hidden.select(0, 2).fill_(kNan);
      kd.targets.topk_idx.select(0, 2).fill_(-7);
      kd.targets.topk_logits = clean.targets.topk_logits.clone();
      kd.targets.topk_logits.select(0, 2).fill_(kNan);
      for (const auto loss : {&kd_loss, &kd_loss_generic}) {
        const at::Tensor after = at::empty_like(kd.hidden);
        const KdLossSums sums = loss(kd.hidden, kd.head, kd.targets, options, after);
        BOOST_TEST(std::abs(sums.total - expected.total) <= 1e-5 * expected.total);
        BOOST_TEST(sums.tokens == 12.0);
        BOOST_TEST(row_is(after, 2, is_zero));
        BOOST_TEST(row_is(after, 1, is_finite));
        BOOST_TEST(row_is(after, 3, is_finite));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(nan_reaches_the_sums_and_its_own_row_only) {
  const KdCase clean = make_kd_case({});
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const double hard : {0.0, 0.2}) {
      KdCase kd = clean;
      kd.head = clean.head.to(dtype);
      kd.hidden = clean.hidden.clone();
      kd.hidden.mutable_data_ptr<float>()[5 * kd.hidden.size(1) + 3] = kNan;
      for (const auto loss : {&kd_loss, &kd_loss_generic}) {
        const at::Tensor gradient = at::empty_like(kd.hidden);
        const KdLossSums sums = loss(kd.hidden, kd.head, kd.targets, options_with(hard, 0.0), gradient);
        BOOST_TEST(std::isnan(sums.total));
        BOOST_TEST(std::isnan(sums.kl));
        BOOST_TEST(row_is(gradient, 5, is_nan));
        BOOST_TEST(row_is(gradient, 4, is_finite));
        BOOST_TEST(row_is(gradient, 6, is_finite));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_nan_outside_the_candidates_makes_the_cross_entropy_nan) {
  KdCase kd = make_kd_case({.tokens = 1, .vocab = 100, .cached = 4});
  kd.targets.topk_idx.mutable_data_ptr<std::int32_t>()[0] = 0;
  for (std::int32_t k = 0; k < 4; ++k) kd.targets.topk_idx.mutable_data_ptr<std::int32_t>()[k] = k;
  kd.head.select(0, 77).fill_(kNan);
  const KdLossSums sums = kd_loss(kd.hidden, kd.head, kd.targets, options_with(0.1, 0.0), {});
  BOOST_TEST(std::isnan(sums.ce));
  BOOST_TEST(std::isfinite(sums.kl));
}

BOOST_AUTO_TEST_CASE(ids_outside_the_vocabulary_are_a_data_error) {
  for (const std::int32_t bad : {-1, 101, 2'000'000'000}) {
    for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {  // the kernels and the generic path
      KdCase kd = make_kd_case({});
      kd.head = kd.head.to(dtype);
      kd.targets.topk_idx.mutable_data_ptr<std::int32_t>()[20] = bad;
      BOOST_TEST(error_code(kd, options_with(0.0, 0.0)) == static_cast<int>(ExitCode::data));
      BOOST_TEST(error_code(kd, options_with(0.2, 0.0)) == static_cast<int>(ExitCode::data));
      kd = make_kd_case({});
      kd.head = kd.head.to(dtype);
      kd.targets.negatives.mutable_data_ptr<std::int32_t>()[9] = bad;
      BOOST_TEST(error_code(kd, options_with(0.2, 0.5)) == static_cast<int>(ExitCode::data));
      BOOST_TEST(error_code(kd, options_with(0.2, 0.0)) == 0);  // negatives are not looked at
    }
  }
}

BOOST_AUTO_TEST_CASE(arguments_that_make_no_sense_are_usage_errors) {
  const int usage = static_cast<int>(ExitCode::usage);
  const KdCase good = make_kd_case({});
  BOOST_TEST(error_code(good, options_with(0.2, 0.0)) == 0);
  KdCase kd = good;
  kd.targets.negatives = at::Tensor();
  BOOST_TEST(error_code(kd, options_with(0.2, 0.1)) == usage);
  BOOST_TEST(error_code(kd, options_with(0.2, 0.0)) == 0);
  kd = good;
  kd.targets.weight = kd.targets.weight.narrow(0, 0, 5);
  BOOST_TEST(error_code(kd, options_with(0.2, 0.0)) == usage);
  kd = good;
  kd.targets.topk_logits = kd.targets.topk_logits.narrow(1, 0, 3);
  BOOST_TEST(error_code(kd, options_with(0.2, 0.0)) == usage);
  kd = good;
  kd.head = kd.head.narrow(1, 0, 8);
  BOOST_TEST(error_code(kd, options_with(0.2, 0.0)) == usage);
  BOOST_TEST(error_code(good, options_with(-0.2, 0.0)) == usage);
  BOOST_TEST(error_code(good, options_with(0.2, 0.0), at::empty_like(good.hidden).narrow(0, 0, 4)) == usage);
  KdLossOptions cold = options_with(0.0, 0.0);
  cold.temperature = 0;
  BOOST_TEST(error_code(good, cold) == usage);
}

BOOST_AUTO_TEST_CASE(no_tokens_no_loss) {
  const KdCase kd = make_kd_case({.tokens = 0});
  for (const auto loss : {&kd_loss, &kd_loss_generic}) {
    const KdLossSums sums =
        loss(kd.hidden, kd.head, kd.targets, options_with(0.2, 0.0), at::empty_like(kd.hidden));
    BOOST_TEST(sums.total == 0.0);
    BOOST_TEST(sums.tokens == 0.0);
  }
}

BOOST_AUTO_TEST_CASE(repeats_bit_for_bit) {
  const KdCase kd = make_kd_case({.tokens = 61, .vocab = 700, .hidden = 32});
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor head = kd.head.to(dtype);
    for (const double hard : {0.0, 0.2}) {
      const at::Tensor first = at::empty_like(kd.hidden);
      const KdLossSums once = kd_loss(kd.hidden, head, kd.targets, options_with(hard, 0.1), first);
      for (int repeat = 0; repeat < 5; ++repeat) {
        const at::Tensor again = at::empty_like(kd.hidden);
        const KdLossSums sums = kd_loss(kd.hidden, head, kd.targets, options_with(hard, 0.1), again);
        BOOST_TEST(sums.total == once.total);
        BOOST_TEST(at::equal(again, first));
      }
      if (hard == 0) {  // no GEMM is involved, so the number of threads does not show either
        at::set_num_threads(1);
        const at::Tensor alone = at::empty_like(kd.hidden);
        BOOST_TEST(kd_loss(kd.hidden, head, kd.targets, options_with(hard, 0.1), alone).total == once.total);
        BOOST_TEST(at::equal(alone, first));
        at::set_num_threads(2);
      }
    }
  }
  at::set_num_threads(before);
}

BOOST_AUTO_TEST_CASE(leaves_its_inputs_alone_and_ignores_autograd) {
  const KdCase kd = make_kd_case({});
  const at::Tensor hidden = kd.hidden.clone().requires_grad_(true);
  const at::Tensor gradient = at::empty_like(kd.hidden);
  for (const double hard : {0.0, 0.2}) {
    kd_loss(hidden, kd.head, kd.targets, options_with(hard, 0.0), gradient);
    BOOST_TEST(!hidden.grad().defined());
    BOOST_TEST(!gradient.requires_grad());
    BOOST_TEST(at::equal(hidden.detach(), kd.hidden));
  }
}

BOOST_AUTO_TEST_SUITE_END()
