// Scores of positions against plain tensor operations in double, and what summaries make of them.
#include "src/score/divergence.hpp"

#include "anemll/core/error.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

#include <ATen/ATen.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

/// fp32 logits of size 10 carry errors of 1e-6.
constexpr double kFp32 = 2e-5;

at::Tensor normals(at::IntArrayRef sizes, double deviation, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, static_cast<float>(deviation));
  at::Tensor out = at::empty(sizes, at::kFloat);
  for (std::int64_t i = 0; i < out.numel(); ++i) out.mutable_data_ptr<float>()[i] = normal(engine);
  return out;
}

struct Pair {
  HeadStates teacher, student;
  at::Tensor next;

  /// More positions than one chunk holds; widths and heads of their own.
  explicit Pair(std::int64_t positions = 150, std::int64_t vocab = 301) {
    teacher = {normals({positions, 24}, 1, 1), normals({vocab, 24}, 0.6, 2)};
    student = {normals({positions, 16}, 1, 3), normals({vocab, 16}, 0.6, 4)};
    std::vector<std::int64_t> ids;
    for (std::int64_t i = 0; i < positions; ++i) ids.push_back((i * 37) % vocab);
    next = at::tensor(ids);
  }
  std::vector<PositionScore> scores() const {
    std::vector<PositionScore> out(static_cast<std::size_t>(teacher.hidden.size(0)));
    score_positions(teacher, student, next, out);
    return out;
  }
};

at::Tensor log_probabilities(const HeadStates& states) {
  return at::log_softmax(states.hidden.to(at::kDouble).mm(states.head.to(at::kDouble).t()), 1);
}

PositionScore scored(double kl, double same = 1) {
  return {kl, same, 0, 0, 1};
}

int error_code(const HeadStates& teacher, const HeadStates& student, const at::Tensor& next, std::size_t n) {
  std::vector<PositionScore> out(n);
  try {
    score_positions(teacher, student, next, out);
  } catch (const Error& error) {
    return static_cast<int>(error.code());
  }
  return 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(score_divergence)

BOOST_AUTO_TEST_CASE(positions_agree_with_double) {
  const Pair pair;
  const at::Tensor p = log_probabilities(pair.teacher);
  const at::Tensor q = log_probabilities(pair.student);
  const at::Tensor kl = (p.exp() * (p - q)).sum(1);
  const at::Tensor same = p.argmax(1).eq(q.argmax(1));
  const at::Tensor ids = pair.next.unsqueeze(1);
  const at::Tensor p_next = -p.gather(1, ids);
  const at::Tensor q_next = -q.gather(1, ids);
  const std::vector<PositionScore> scores = pair.scores();
  const at::Tensor first_five = std::get<1>(q.topk(5, 1)).eq(p.argmax(1).unsqueeze(1)).any(1);
  double agreeing = 0;
  double nearly = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto n = static_cast<std::int64_t>(i);
    BOOST_TEST(scores[i].same_top5 == (first_five[n].item<bool>() ? 1.0 : 0.0));
    nearly += scores[i].same_top5;
    BOOST_TEST(std::abs(scores[i].kl - kl[n].item<double>()) < kFp32);
    BOOST_TEST(scores[i].same_top1 == (same[n].item<bool>() ? 1.0 : 0.0));
    BOOST_TEST(std::abs(scores[i].teacher_nll - p_next[n][0].item<double>()) < kFp32);
    BOOST_TEST(std::abs(scores[i].student_nll - q_next[n][0].item<double>()) < kFp32);
    BOOST_TEST(scores[i].counted == 1.0);
    agreeing += scores[i].same_top1;
  }
  BOOST_TEST((agreeing > 0 && agreeing < 20));
  BOOST_TEST((nearly >= agreeing && nearly < 75));
}

BOOST_AUTO_TEST_CASE(tensor_operations_score_the_same) {
  const Pair pair;
  const std::vector<PositionScore> kernels = pair.scores();
  std::vector<PositionScore> generic(kernels.size());
  score_positions_generic(pair.teacher, pair.student, pair.next, generic);
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    BOOST_TEST(std::abs(generic[i].kl - kernels[i].kl) < kFp32);
    BOOST_TEST(generic[i].same_top1 == kernels[i].same_top1);
    BOOST_TEST(generic[i].same_top5 == kernels[i].same_top5);
    BOOST_TEST(std::abs(generic[i].teacher_nll - kernels[i].teacher_nll) < kFp32);
    BOOST_TEST(std::abs(generic[i].student_nll - kernels[i].student_nll) < kFp32);
    BOOST_TEST(generic[i].counted == 1.0);
  }
}

BOOST_AUTO_TEST_CASE(a_model_does_not_differ_from_itself_whatever_its_storage) {
  Pair pair;
  pair.teacher.head = pair.teacher.head.to(at::kBFloat16);
  pair.teacher.hidden = pair.teacher.hidden.to(at::kHalf);
  pair.student = {pair.teacher.hidden.to(at::kFloat), pair.teacher.head.to(at::kFloat)};
  pair.next = at::Tensor();
  const DivergenceSummary summary = summarise(pair.scores());
  BOOST_TEST(std::abs(summary.mean) < 1e-9);
  BOOST_TEST(summary.top1 == 1.0);
  BOOST_TEST(summary.student_nll == 0.0);
}

BOOST_AUTO_TEST_CASE(of_equal_logits_the_lower_id_counts) {
  HeadStates teacher{at::ones({1, 1}), at::tensor({1.0F, 3.0F, 3.0F, 0.0F}).view({4, 1})};
  HeadStates student{at::ones({1, 1}), at::tensor({1.0F, 2.0F, 2.0F, 2.0F}).view({4, 1})};
  std::vector<PositionScore> out(1);
  score_positions(teacher, student, {}, out);
  BOOST_TEST(out[0].same_top1 == 1.0);
}

BOOST_AUTO_TEST_CASE(the_first_five_are_counted_with_the_lower_of_equal_ids) {
  const HeadStates teacher{at::ones({1, 1}),
                           at::tensor({0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 4.0F}).view({7, 1})};
  // Four tokens are likelier than the teacher's; in the second case an equal one of a lower id too.
  const at::Tensor fifth = at::tensor({6.0F, 5.0F, 4.0F, 3.0F, 1.0F, 0.0F, 2.0F}).view({7, 1});
  const at::Tensor sixth = at::tensor({6.0F, 5.0F, 4.0F, 3.0F, 2.0F, 0.0F, 2.0F}).view({7, 1});
  for (const auto score : {score_positions, score_positions_generic}) {
    std::vector<PositionScore> out(1);
    score(teacher, {at::ones({1, 1}), fifth}, {}, out);
    BOOST_TEST(out[0].same_top5 == 1.0);
    BOOST_TEST(out[0].same_top1 == 0.0);
    score(teacher, {at::ones({1, 1}), sixth}, {}, out);
    BOOST_TEST(out[0].same_top5 == 0.0);
  }
}

BOOST_AUTO_TEST_CASE(likelihoods_need_no_teacher) {
  const Pair pair;
  const std::vector<PositionScore> both = pair.scores();
  std::vector<PositionScore> alone(both.size());
  score_likelihoods(pair.student, pair.next, alone);
  for (std::size_t i = 0; i < both.size(); ++i) {
    BOOST_TEST(std::abs(alone[i].student_nll - both[i].student_nll) < kFp32);
    BOOST_TEST(alone[i].counted == 1.0);
    BOOST_TEST((alone[i].kl == 0 && alone[i].same_top1 == 0 && alone[i].teacher_nll == 0));
  }
  BOOST_CHECK_THROW(score_likelihoods(pair.student, {}, alone), Error);
  BOOST_CHECK_THROW(score_likelihoods(pair.student, pair.next + 301, alone), Error);
  std::vector<PositionScore> fewer(3);
  BOOST_CHECK_THROW(score_likelihoods(pair.student, pair.next, fewer), Error);
}

BOOST_AUTO_TEST_CASE(a_broken_student_is_seen) {
  Pair pair;
  pair.student.hidden.select(0, 140).fill_(std::numeric_limits<float>::quiet_NaN());
  const std::vector<PositionScore> scores = pair.scores();
  BOOST_TEST(std::isnan(scores[140].kl));
  BOOST_TEST((scores[140].same_top1 == 0.0 && scores[140].same_top5 == 0.0));
  BOOST_TEST(std::isfinite(scores[139].kl));
  const DivergenceSummary summary = summarise(scores);
  BOOST_TEST(std::isnan(summary.mean));
  BOOST_TEST(std::isnan(summary.median));
  BOOST_TEST(std::isnan(summary.p99));
  BOOST_TEST((std::isnan(summary.p90) && std::isnan(summary.p999)));
  BOOST_TEST(summary.positions == 150);
}

BOOST_AUTO_TEST_CASE(summaries_interpolate_and_leave_out_what_was_not_scored) {
  std::vector<PositionScore> scores = {scored(4), scored(1, 0), {}, scored(2), scored(3)};
  DivergenceSummary summary = summarise(scores);
  BOOST_TEST(summary.positions == 4);
  BOOST_TEST(summary.mean == 2.5);
  BOOST_TEST(summary.median == 2.5);
  BOOST_TEST(std::abs(summary.p90 - 3.7) < 1e-12);
  BOOST_TEST(std::abs(summary.p99 - 3.97) < 1e-12);
  BOOST_TEST(std::abs(summary.p999 - 3.997) < 1e-12);
  BOOST_TEST(summary.top1 == 0.75);
  summary = summarise(std::vector<PositionScore>{scored(7)});
  BOOST_TEST((summary.median == 7 && summary.p99 == 7));
  BOOST_TEST(std::isnan(summarise({}).mean));
}

BOOST_AUTO_TEST_CASE(slots_of_many_ranks_become_one_list) {
  std::vector<DivergenceSummary> seen(3);
  run_local_ranks(3, [&](Communicator& comm) {
    std::vector<PositionScore> scores(7);
    for (std::size_t i = static_cast<std::size_t>(comm.rank()); i < 6; i += 3)
      scores[i] = {static_cast<double>(i), 1, 0, 0, 1, i < 3 ? 1.0 : 0.0};
    share_scores(scores, comm);
    seen[static_cast<std::size_t>(comm.rank())] = summarise(scores);
  });
  for (const DivergenceSummary& summary : seen) {
    BOOST_TEST(summary.positions == 6);
    BOOST_TEST(summary.mean == 2.5);
    BOOST_TEST((summary.top1 == 1 && summary.top5 == 0.5));
  }
}

// Vocabularies are padded differently, on either side.
BOOST_AUTO_TEST_CASE(heads_of_different_length_are_compared_over_the_shared_ids) {
  const Pair pair(5, 11);
  const HeadStates short_teacher{pair.teacher.hidden, pair.teacher.head.narrow(0, 0, 9)};
  const HeadStates short_student{pair.student.hidden, pair.student.head.narrow(0, 0, 9)};
  const at::Tensor next = pair.next.clamp_max(8);
  std::vector<PositionScore> want(5), got(5);
  score_positions(short_teacher, short_student, next, want);
  for (const auto score : {score_positions, score_positions_generic}) {
    for (const auto& [teacher, student] :
         {std::pair{pair.teacher, short_student}, std::pair{short_teacher, pair.student}}) {
      score(teacher, student, next, got);
      for (std::size_t i = 0; i < want.size(); ++i) {
        BOOST_TEST(std::abs(got[i].kl - want[i].kl) < kFp32);
        BOOST_TEST(got[i].same_top1 == want[i].same_top1);
        BOOST_TEST(std::abs(got[i].teacher_nll - want[i].teacher_nll) < kFp32);
        BOOST_TEST(std::abs(got[i].student_nll - want[i].student_nll) < kFp32);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(shapes_that_do_not_fit_are_usage_errors) {
  const int usage = static_cast<int>(ExitCode::usage);
  const Pair pair(5, 11);
  const at::Tensor none;
  BOOST_TEST(error_code(pair.teacher, pair.student, pair.next, 5) == 0);
  BOOST_TEST(error_code(pair.teacher, pair.student, pair.next, 4) == usage);
  BOOST_TEST(error_code({pair.teacher.hidden, pair.student.head}, pair.student, none, 5) == usage);
  BOOST_TEST(error_code(pair.teacher, {pair.student.hidden, pair.student.head.narrow(0, 0, 9)},
                        at::full({5}, 9, at::kLong), 5) == usage);  // an id that one of both has
  BOOST_TEST(error_code(pair.teacher, pair.student, pair.next + 10, 5) == usage);
  BOOST_TEST(error_code(pair.teacher, pair.student, pair.next - 1, 5) == usage);
}

BOOST_AUTO_TEST_SUITE_END()
