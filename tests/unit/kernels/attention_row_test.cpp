// Attention of one query against the general form, on keys as a cache holds them.
#include "src/kernels/internal/attention_row.hpp"

#include "src/kernels/internal/generic.hpp"

#include <cstdint>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <boost/test/unit_test.hpp>

using namespace anemll::kernels;
using at::Tensor;

namespace {

// Relative to the largest entry: fp32 sums of some hundred terms.
constexpr double kFloatTolerance = 1e-5;

/// [B, positions, kv_heads, dim], as a cache of a larger capacity has them.
Tensor cached(std::int64_t rows, std::int64_t positions, std::int64_t kv_heads, std::int64_t dim) {
  return at::randn({rows, positions + 9, kv_heads, dim}).narrow(1, 0, positions);
}

void compare(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& allowed) {
  const at::NoGradGuard no_grad;
  BOOST_TEST_REQUIRE(takes_row_attention(q, k, v, allowed));
  const Tensor expected = generic::attention(q, k, v, allowed);
  const Tensor value = row_attention(q, k, v, allowed);
  const double error = (value - expected).abs().max().item<double>();
  BOOST_TEST(error <= kFloatTolerance * expected.abs().max().item<double>(),
             "error " << error << ", keys " << k.size(1));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(attention_row)

BOOST_AUTO_TEST_CASE(one_query_sees_all_keys_of_a_cache) {
  for (const std::int64_t keys : {1, 7, 130, 2500}) {
    for (const std::int64_t dim : {20, 64}) {
      const Tensor k = cached(3, keys, 2, dim);
      const Tensor v = cached(3, keys, 2, dim);
      compare(at::randn({3, 1, 6, dim}), k, v, {});
    }
  }
}

BOOST_AUTO_TEST_CASE(masked_keys_count_for_nothing) {
  const Tensor k = cached(2, 33, 1, 32);
  const Tensor v = cached(2, 33, 1, 32);
  Tensor allowed = at::rand({2, 1, 1, 33}).gt(0.5);
  allowed.narrow(3, 32, 1).fill_(true);  // a query sees itself
  compare(at::randn({2, 1, 4, 32}), k, v, allowed);
  compare(at::randn({2, 1, 4, 32}), k, v, allowed.narrow(0, 0, 1));
}

BOOST_AUTO_TEST_CASE(a_row_does_not_depend_on_the_others) {
  const at::NoGradGuard no_grad;
  const Tensor q = at::randn({4, 1, 6, 64});
  const Tensor k = cached(4, 50, 3, 64);
  const Tensor v = cached(4, 50, 3, 64);
  const Tensor all = row_attention(q, k, v, {});
  for (std::int64_t i = 0; i < 4; ++i)
    BOOST_TEST(row_attention(q.narrow(0, i, 1), k.narrow(0, i, 1), v.narrow(0, i, 1), {})
                   .equal(all.narrow(0, i, 1)));
}

BOOST_AUTO_TEST_CASE(training_and_longer_queries_are_left_to_the_others) {
  const Tensor q = at::randn({1, 1, 2, 8});
  const Tensor k = cached(1, 5, 2, 8);
  BOOST_TEST(takes_row_attention(q, k, k, {}));
  BOOST_TEST(!takes_row_attention(q.clone().requires_grad_(true), k, k, {}));
  BOOST_TEST(!takes_row_attention(at::randn({1, 2, 2, 8}), k, k, {}));
  BOOST_TEST(!takes_row_attention(q.to(at::kBFloat16), k, k, {}));
}

BOOST_AUTO_TEST_SUITE_END()
