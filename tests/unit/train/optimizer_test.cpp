// AdamW against the reference's numbers and against torch.optim.AdamW; norm and clipping.
#include "src/train/internal/optimizer.hpp"

#include "anemll/core/error.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(train_optimizer)

using anemll::AdamW;
using anemll::clip_factor;
using anemll::gradient_norm;

namespace {

at::Tensor tensor_of(const std::vector<float>& values) {
  at::Tensor out = at::empty({static_cast<std::int64_t>(values.size())}, at::kFloat);
  for (std::size_t i = 0; i < values.size(); ++i) out.mutable_data_ptr<float>()[i] = values[i];
  return out;
}

double largest_difference(const at::Tensor& got, const std::vector<float>& expected) {
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    worst = std::fmax(worst, std::abs(double{got.const_data_ptr<float>()[i]} - double{expected[i]}));
  }
  return worst;
}

/// The formula behind the frozen run: exact in double, then rounded to fp32.
float pattern(std::int64_t i, std::int64_t t) {
  const std::int64_t value = (i * 7919 + t * 104729 + i * t * 31) % 2003 - 1001;
  return static_cast<float>(static_cast<double>(value) / 997.0);
}

at::Tensor pattern_tensor(std::int64_t size, std::int64_t t) {
  at::Tensor out = at::empty({size}, at::kFloat);
  for (std::int64_t i = 0; i < size; ++i) out.mutable_data_ptr<float>()[i] = pattern(i, t);
  return out;
}

/// A few units in the last place of values of order 1, after 50 updates.
constexpr double kFrozenTolerance = 5e-7;

class ThreadCount {
 public:
  explicit ThreadCount(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~ThreadCount() { at::set_num_threads(before_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  int before_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(matches_the_reference_values) {
  const at::Tensor param = tensor_of({1, -2});
  AdamW adamw(param);
  adamw.update(param, tensor_of({.1F, -.3F}), 0.01);
  BOOST_TEST(largest_difference(param, {.99F, -1.99F}) < 1e-7);
  adamw.update(param, tensor_of({.2F, 0}), 0.01);
  // Printed with eight decimals; fp32 resolves 1.2e-7 near 2.
  BOOST_TEST(largest_difference(param, {.98034817F, -1.98329937F}) < 2.5e-7);
  BOOST_TEST(adamw.step == 2);
}

BOOST_AUTO_TEST_CASE(follows_torch_for_fifty_steps) {
  // torch 2.11 torch.optim.AdamW(foreach=False), weight_decay 0.05, lr of update t: 0.01 * (t % 10 + 1) / 10,
  // parameters pattern(i, 0), gradients pattern(i, t).
  const std::vector<float> after_1{-1.00191164F, 0.913643956F, 0.820373476F, 0.727102935F,
                                   0.633832455F, 0.540561914F, 0.447291464F};
  const std::vector<float> after_10{-0.989357412F, 0.91826719F,  0.822577357F, 0.726271451F,
                                    0.630142331F,  0.540026724F, 0.444098264F};
  const std::vector<float> after_50{-0.931791008F, 0.910946131F, 0.822321475F, 0.713720918F,
                                    0.613411307F,  0.540136814F, 0.43740806F};
  const std::vector<float> first_moment{-0.17260249F,   -0.106104352F, 0.0215244964F, -0.0358848125F,
                                        -0.0280767791F, 0.0572829023F, 0.0209399555F};
  const std::vector<float> second_moment{0.0166494958F, 0.0164942537F, 0.0158916973F, 0.014440896F,
                                         0.0163813159F, 0.0164888799F, 0.0163312517F};
  for (const bool generic : {false, true}) {
    const at::Tensor param = pattern_tensor(7, 0);
    AdamW adamw(param, {.weight_decay = 0.05});
    for (std::int64_t t = 1; t <= 50; ++t) {
      const double lr = 1e-2 * static_cast<double>(t % 10 + 1) / 10;
      const at::Tensor grad = pattern_tensor(7, t);
      generic ? adamw.update_generic(param, grad, lr) : adamw.update(param, grad, lr);
      if (t == 1) BOOST_TEST(largest_difference(param, after_1) < kFrozenTolerance);
      if (t == 10) BOOST_TEST(largest_difference(param, after_10) < kFrozenTolerance);
    }
    BOOST_TEST(largest_difference(param, after_50) < kFrozenTolerance);
    BOOST_TEST(largest_difference(adamw.m, first_moment) < kFrozenTolerance);
    BOOST_TEST(largest_difference(adamw.v, second_moment) < kFrozenTolerance);
  }
}

BOOST_AUTO_TEST_CASE(zero_rate_changes_moments_only) {
  const at::Tensor param = tensor_of({1, -2, 3});
  AdamW adamw(param, {.weight_decay = 0.1});
  adamw.update(param, tensor_of({1, 2, -4}), 0.0);
  BOOST_TEST(largest_difference(param, {1, -2, 3}) == 0.0);
  BOOST_TEST(largest_difference(adamw.m, {.1F, .2F, -.4F}) < 1e-7);
  BOOST_TEST(largest_difference(adamw.v, {.001F, .004F, .016F}) < 1e-8);
}

BOOST_AUTO_TEST_CASE(decay_comes_before_the_step) {
  // 2 * (1 - 0.5 * 0.4) - 0.5 * sign = 1.6 - 0.5; decaying afterwards would give (2 - 0.5) * 0.8 = 1.2.
  const at::Tensor param = tensor_of({2});
  AdamW adamw(param, {.weight_decay = 0.4});
  adamw.update(param, tensor_of({3}), 0.5);
  BOOST_TEST(largest_difference(param, {1.1F}) < 1e-6);
}

BOOST_AUTO_TEST_CASE(gradient_scale_equals_a_scaled_gradient) {
  const std::int64_t size = 1000;
  const at::Tensor scaled = pattern_tensor(size, 0);
  const at::Tensor plain = scaled.clone();
  AdamW first(scaled);
  AdamW second(plain);
  const at::Tensor grad = pattern_tensor(size, 1);
  first.update(scaled, grad, 0.01, 0.25);
  second.update(plain, grad.mul(0.25), 0.01);
  BOOST_TEST(at::equal(scaled, plain));
  BOOST_TEST(at::equal(first.v, second.v));
}

BOOST_AUTO_TEST_CASE(threads_do_not_change_a_bit) {
  const std::int64_t size = 300'007;  // several blocks, a ragged end
  at::Tensor params[2];
  double norms[2] = {};
  for (int threads = 1; threads <= 2; ++threads) {
    const ThreadCount scope(threads);
    const at::Tensor param = pattern_tensor(size, 0);
    AdamW adamw(param, {.weight_decay = 0.01});
    for (std::int64_t t = 1; t <= 3; ++t) adamw.update(param, pattern_tensor(size, t), 1e-3);
    params[threads - 1] = param;
    norms[threads - 1] = gradient_norm(pattern_tensor(size, 5));
  }
  BOOST_TEST(at::equal(params[0], params[1]));
  BOOST_TEST(norms[0] == norms[1]);
}

BOOST_AUTO_TEST_CASE(norm_is_exact_in_double) {
  BOOST_TEST(gradient_norm(tensor_of({3, -4})) == 5.0);
  BOOST_TEST(gradient_norm(at::zeros({0}, at::kFloat)) == 0.0);
  // fp32 accumulation would stop growing at 2^24; squares of 1e30 would overflow it.
  BOOST_TEST(gradient_norm(at::ones({20'000'000}, at::kFloat)) == std::sqrt(2e7));
  BOOST_TEST(std::abs(gradient_norm(tensor_of({3e30F, 4e30F})) / 5e30 - 1) < 1e-7);
  const std::int64_t size = 70'001;
  double sum = 0;
  for (std::int64_t i = 0; i < size; ++i) sum += double{pattern(i, 3)} * double{pattern(i, 3)};
  BOOST_TEST(std::abs(gradient_norm(pattern_tensor(size, 3)) / std::sqrt(sum) - 1) <
             1e-11);  // the plain sum here rounds more
}

BOOST_AUTO_TEST_CASE(norm_reports_what_is_not_finite) {
  at::Tensor grad = at::ones({100'000}, at::kFloat);
  grad.mutable_data_ptr<float>()[77'777] = std::numeric_limits<float>::quiet_NaN();
  BOOST_TEST(std::isnan(gradient_norm(grad)));
  grad.mutable_data_ptr<float>()[77'777] = -std::numeric_limits<float>::infinity();
  BOOST_TEST(std::isinf(gradient_norm(grad)));
}

BOOST_AUTO_TEST_CASE(clipping) {
  BOOST_TEST(clip_factor(0.5, 1.0) == 1.0);
  BOOST_TEST(clip_factor(4.0, 1.0) == 1.0 / (4.0 + 1e-6));
  BOOST_TEST(clip_factor(1.0, 1.0) == 1.0 / (1.0 + 1e-6));
  BOOST_TEST(clip_factor(1e9, 0.0) == 1.0);
  BOOST_TEST(clip_factor(0.0, 1.0) == 1.0);
  BOOST_TEST(std::isnan(clip_factor(std::nan(""), 1.0)));
}

BOOST_AUTO_TEST_CASE(wrong_buffers_are_refused) {
  const at::Tensor param = at::ones({4}, at::kFloat);
  AdamW adamw(param);
  BOOST_CHECK_THROW(adamw.update(param, at::ones({3}, at::kFloat), 0.1), anemll::Error);
  BOOST_CHECK_THROW(adamw.update(param, at::ones({4}, at::kDouble), 0.1), anemll::Error);
  BOOST_TEST(adamw.step == 0);
}

BOOST_AUTO_TEST_SUITE_END()
