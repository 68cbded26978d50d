// The fused head against the plain one and against the definition.
#include "src/teacher/internal/head_scores.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/half.hpp"
#include "src/kernels/topk_cpu.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

constexpr std::int64_t kPositions = 7;
/// binary16 has 11 bits: one unit in the last place, relative.
constexpr double kHalfUlp = 1.0 / 1024;
/// Sums of exp_fast (2 ulp) over the vocabulary, against double.
constexpr double kLseTolerance = 2e-6;
/// What bf16 rounding of the logits outside the candidates may do to log-sum-exp: they hold a small part of
/// the mass, and their errors (2^-9 relative) average out.
constexpr double kBf16LseTolerance = 2e-3;

PayloadOptions all_payloads() {
  PayloadOptions options;
  options.topk = 24;
  options.rand_neg = 40;
  options.payloads = {Payload::topk, Payload::negatives, Payload::lse, Payload::hidden};
  options.train_temperature = 2.0;
  options.seed = 5;
  return options;
}

struct Case {
  at::Tensor hidden = at::randn({300, 64});
  at::Tensor head = at::randn({3001, 64}) * 0.6;
};

void check_against(const TeacherPayload& got, const at::Tensor& logits, const PayloadOptions& options,
                   double lse_tolerance) {
  const std::int64_t tokens = logits.size(0), vocab = logits.size(1);
  const auto n = static_cast<std::size_t>(tokens);
  const auto k = static_cast<std::size_t>(options.topk);
  const auto r = static_cast<std::size_t>(options.rand_neg);
  BOOST_REQUIRE_EQUAL(got[kd::topk_idx].size(), n * k);
  BOOST_REQUIRE_EQUAL(got[kd::rand_idx].size(), n * r);
  BOOST_REQUIRE_EQUAL(got[kd::lse_train].size(), n);
  const at::Tensor wide = logits.to(at::kDouble).contiguous();
  const double* data = wide.const_data_ptr<double>();
  for (std::size_t t = 0; t < n; ++t) {
    const double* row = data + t * static_cast<std::size_t>(vocab);
    std::vector<std::int32_t> order(static_cast<std::size_t>(vocab));
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i);
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return row[a] > row[b]; });
    std::set<std::int32_t> top;
    for (std::size_t i = 0; i < k; ++i) {
      const std::int32_t id = got[kd::topk_idx][t * k + i];
      top.insert(id);
      // fp32 sums order differently from double ones: near ties may swap.
      if (id != order[i]) BOOST_TEST(std::abs(row[id] - row[order[i]]) < 1e-5);
      const double value = half_to_float(got[kd::topk_logits][t * k + i]);
      BOOST_TEST(std::abs(value - row[id]) <= kHalfUlp * std::abs(row[id]) + 1e-6);
    }
    BOOST_TEST(top.size() == k);
    for (std::size_t i = 0; i < r; ++i) {
      const std::int32_t id = got[kd::rand_idx][t * r + i];
      BOOST_TEST((id >= 0 && id < vocab));
      if (options.negatives_avoid_topk) BOOST_TEST(top.count(id) == 0U);
      BOOST_TEST(std::abs(half_to_float(got[kd::rand_logits][t * r + i]) - row[id]) <=
                 kHalfUlp * std::abs(row[id]) + 1e-6);
    }
  }
  const at::Tensor plain = at::logsumexp(wide, 1), tempered = at::logsumexp(wide.div(2.0), 1);
  for (std::size_t t = 0; t < n; ++t) {
    const auto at = static_cast<std::int64_t>(t);
    BOOST_TEST(std::abs(got[kd::lse_t1][t] - plain[at].item<double>()) < lse_tolerance * 10);
    BOOST_TEST(std::abs(got[kd::lse_train][t] - tempered[at].item<double>()) < lse_tolerance * 10);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(teacher_head_scores)

BOOST_AUTO_TEST_CASE(fp32_is_the_definition) {
  const Case c;
  const PayloadOptions options = all_payloads();
  TeacherPayload got;
  score_head(c.hidden, c.head, 11, kPositions, options, got);
  check_against(got, c.hidden.to(at::kDouble).matmul(c.head.to(at::kDouble).t()), options, kLseTolerance);
}

BOOST_AUTO_TEST_CASE(bf16_ranks_by_fp32_logits) {
  const Case c;
  const PayloadOptions options = all_payloads();
  const at::Tensor head = c.head.to(at::kBFloat16);
  TeacherPayload got;
  score_head(c.hidden, head, 11, kPositions, options, got);
  // The candidates' logits come from the fp32 hidden states and the rounded head.
  check_against(got, c.hidden.to(at::kDouble).matmul(head.to(at::kDouble).t()), options, kBf16LseTolerance);
}

// With many candidates the K-th best has close neighbours, which bf16 puts in another order.
BOOST_AUTO_TEST_CASE(bf16_loses_no_candidate_of_a_large_k) {
  const Case c;
  PayloadOptions options = all_payloads();
  options.topk = 512;
  const at::Tensor head = c.head.to(at::kBFloat16);
  TeacherPayload got;
  score_head(c.hidden, head, 11, kPositions, options, got);
  check_against(got, c.hidden.to(at::kDouble).matmul(head.to(at::kDouble).t()), options, kBf16LseTolerance);
}

BOOST_AUTO_TEST_CASE(generic_agrees) {
  const Case c;
  const PayloadOptions options = all_payloads();
  TeacherPayload fast, plain;
  score_head(c.hidden, c.head, 11, kPositions, options, fast);
  score_head_generic(c.hidden, c.head, 11, kPositions, options, plain);
  BOOST_TEST(std::ranges::equal(fast[kd::rand_idx], plain[kd::rand_idx]));
  BOOST_TEST(std::ranges::equal(fast[kd::hidden], plain[kd::hidden]));
  std::size_t different = 0;
  for (std::size_t i = 0; i < fast[kd::topk_idx].size(); ++i)
    different += fast[kd::topk_idx][i] != plain[kd::topk_idx][i];
  BOOST_TEST(different < 4U);  // near ties
  check_against(plain, c.hidden.to(at::kDouble).matmul(c.head.to(at::kDouble).t()), options, kLseTolerance);
}

BOOST_AUTO_TEST_CASE(ties_go_to_the_lower_id) {
  const at::Tensor hidden = at::ones({3, 4});
  const at::Tensor head = at::zeros({500, 4});
  for (const std::int64_t id : {17, 300, 301, 499}) head[id].fill_(1.0);
  PayloadOptions options;
  options.topk = 6;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    TeacherPayload fast, plain;
    score_head(hidden, head.to(dtype), 0, 3, options, fast);
    score_head_generic(hidden, head.to(dtype), 0, 3, options, plain);
    const std::vector<std::int32_t> first(fast[kd::topk_idx].begin(), fast[kd::topk_idx].begin() + 6);
    BOOST_TEST(first == (std::vector<std::int32_t>{17, 300, 301, 499, 0, 1}));
    BOOST_TEST(std::vector<std::int32_t>(plain[kd::topk_idx].begin(), plain[kd::topk_idx].begin() + 4) ==
               (std::vector<std::int32_t>{17, 300, 301, 499}));
  }
}

BOOST_AUTO_TEST_CASE(what_is_not_asked_for_is_empty) {
  const Case c;
  PayloadOptions options;
  options.topk = 3;
  TeacherPayload got;
  score_head(c.hidden, c.head, 0, kPositions, options, got);
  BOOST_TEST(got.arrays().size() == 2U);  // ids and logits of the top-k
}

// Whatever the payload asks for: a value that is never among the best must not go unseen either.
BOOST_AUTO_TEST_CASE(values_that_are_not_finite_name_the_sequence) {
  PayloadOptions only_topk;
  only_topk.topk = 24;
  const auto expect = [](const Case& c, at::ScalarType dtype, const PayloadOptions& options,
                         const std::string& where) {
    for (const auto score : {&score_head, &score_head_generic}) {
      TeacherPayload got;
      try {
        score(c.hidden, c.head.to(dtype), 40, kPositions, options, got);
        BOOST_ERROR("no error");
      } catch (const Error& e) {
        BOOST_TEST(static_cast<int>(e.code()) == static_cast<int>(ExitCode::numerics));
        BOOST_TEST(e.where().starts_with(where), e.where());
      }
    }
  };
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const PayloadOptions& options : {only_topk, all_payloads()}) {
      Case hidden;
      hidden.hidden[2 * kPositions + 3].fill_(std::numeric_limits<float>::quiet_NaN());
      expect(hidden, dtype, options, "sequence 42");
      Case head;
      head.head[2900].fill_(std::numeric_limits<float>::quiet_NaN());
      expect(head, dtype, options, "sequence ");
      Case low;  // minus infinity
      low.hidden.select(1, 0).fill_(1.0);
      low.head[2900].fill_(0);
      low.head[2900][0] = -std::numeric_limits<float>::infinity();
      expect(low, dtype, options, "sequence ");
    }
  }
}

BOOST_AUTO_TEST_CASE(a_cut_into_pieces_changes_nothing) {
  const Case c;
  const PayloadOptions options = all_payloads();
  TeacherPayload whole, parts;
  score_head(c.hidden.narrow(0, 0, 28), c.head, 0, kPositions, options, whole);
  score_head(c.hidden.narrow(0, 0, 14), c.head, 0, kPositions, options, parts);
  score_head(c.hidden.narrow(0, 14, 14), c.head, 2, kPositions, options, parts);
  BOOST_TEST(std::ranges::equal(whole[kd::rand_idx], parts[kd::rand_idx]));
  BOOST_TEST(std::ranges::equal(whole[kd::hidden], parts[kd::hidden]));
}

BOOST_AUTO_TEST_CASE(negatives_are_uniform_outside_the_topk) {
  PayloadOptions options;
  options.topk = 3;
  options.rand_neg = 200000;
  const std::int32_t top[] = {5, 0, 9};
  std::vector<std::int32_t> drawn(static_cast<std::size_t>(options.rand_neg));
  draw_negatives(options, 1, 2, 10, top, drawn.data());
  std::vector<std::int64_t> counts(10);
  for (const std::int32_t id : drawn) ++counts[static_cast<std::size_t>(id)];
  for (const std::size_t id : {0U, 5U, 9U}) BOOST_TEST(counts[id] == 0);
  for (const std::size_t id : {1U, 2U, 3U, 4U, 6U, 7U, 8U}) {
    // 200000 / 7 = 28571 with a standard deviation of 156: six of them.
    BOOST_TEST(std::abs(counts[id] - 28571) < 940);
  }
  std::vector<std::int32_t> again(drawn.size()), other(drawn.size());
  draw_negatives(options, 1, 2, 10, top, again.data());
  draw_negatives(options, 2, 2, 10, top, other.data());
  BOOST_TEST(drawn == again);
  BOOST_TEST(drawn != other);
}

BOOST_AUTO_TEST_CASE(largest_of_awkward_rows) {
  std::vector<kernels::ScoredId> best;
  std::vector<float> row(1000, -std::numeric_limits<float>::infinity());
  kernels::largest(std::span<const float>(row), 5, best);
  BOOST_REQUIRE_EQUAL(best.size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) BOOST_TEST(best[i].id == static_cast<std::int32_t>(i));
  for (std::size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(i);  // every block enters
  kernels::largest(std::span<const float>(row), 1000, best);
  for (std::size_t i = 0; i < row.size(); ++i) BOOST_TEST(best[i].id == static_cast<std::int32_t>(999 - i));
  kernels::largest(std::span<const float>(row).first(3), 5, best);
  BOOST_TEST(best.size() == 3U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
