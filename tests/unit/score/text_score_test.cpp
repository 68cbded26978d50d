// The protocol on plain text: which positions count, and that the number of ranks does not show.
#include "src/score/text_score.hpp"

#include "anemll/core/error.hpp"
#include "tests/support/temp_dir.hpp"

#include <cmath>
#include <cstdint>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

/// Sums of fp32 logits in another order, in nats.
constexpr double kFp32 = 1e-5;

std::vector<std::int32_t> some_ids(std::size_t count) {
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < count; ++i) ids.push_back(static_cast<std::int32_t>((i * 2654435761U) % 4096));
  return ids;
}

const ModelFiles& nano() {
  static const ModelFiles files = load_model_files(test::golden("nano"));
  return files;
}

/// The nano model with its first norm bent: another model of the same vocabulary.
std::unique_ptr<Decoder> bent() {
  auto model = std::make_unique<Decoder>(nano(), at::kCPU, true);
  const Decoder::NamedTensor norm = model->norms().front();
  model->set_norm(norm.name, norm.tensor * at::linspace(0.5, 1.5, norm.tensor.numel()));
  model->set_compute(at::kBFloat16);
  return model;
}

DivergenceSummary score(const std::vector<std::int32_t>& ids, const TextProtocol& protocol,
                        Communicator& comm) {
  TextScorer scorer(ids, protocol, "test");
  Decoder teacher(nano(), at::kCPU, true);
  const auto student = bent();
  scorer.run_teacher(teacher, comm);
  const DivergenceSummary summary =
      scorer.score(*student, student->head_weight(at::kFloat), teacher.head_weight(at::kFloat), comm);
  if (student->compute() != at::kBFloat16) throw std::runtime_error("the compute type was not put back");
  return summary;
}

TextScorer scorer_of(const ScoreWindow& window) {
  return TextScorer(std::vector<ScoreWindow>{window});
}

int error_code(std::size_t tokens, const TextProtocol& protocol) {
  try {
    const TextScorer scorer(some_ids(tokens), protocol, "test");
  } catch (const Error& error) {
    return static_cast<int>(error.code());
  }
  return 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(score_text)

BOOST_AUTO_TEST_CASE(scores_the_second_half_of_each_chunk) {
  const at::NoGradGuard no_grad;
  const auto comm = make_single_communicator();
  for (const std::int64_t context : {16, 17}) {
    const std::vector<std::int32_t> ids = some_ids(60);
    const DivergenceSummary got = score(ids, {context, 3}, *comm);
    Decoder teacher(nano(), at::kCPU, true);
    const auto student = bent();
    student->set_compute(at::kFloat);
    double kl = 0;
    double same = 0;
    double nll = 0;
    std::int64_t count = 0;
    for (std::int64_t c = 0; c < 3; ++c) {
      const std::vector<std::int64_t> part(ids.begin() + c * context, ids.begin() + (c + 1) * context);
      const at::Tensor chunk = at::tensor(part).unsqueeze(0);
      const auto log_p = [&](Decoder& m) {
        return at::log_softmax(m.logits(m.hidden(chunk, {})).squeeze(0).to(at::kDouble), 1);
      };
      const at::Tensor p = log_p(teacher);
      const at::Tensor q = log_p(*student);
      for (std::int64_t s = context / 2; s <= context - 2; ++s) {
        kl += (p[s].exp() * (p[s] - q[s])).sum().item<double>();
        same += p[s].argmax().equal(q[s].argmax()) ? 1 : 0;
        nll -= q[s][part[static_cast<std::size_t>(s + 1)]].item<double>();
        ++count;
      }
    }
    const auto n = static_cast<double>(count);
    BOOST_TEST(got.positions == count);
    BOOST_TEST(kl / n > 0.01);
    BOOST_TEST(std::abs(got.mean - kl / n) < kFp32);
    BOOST_TEST(std::abs(got.top1 - same / n) < 1e-12);
    BOOST_TEST(std::abs(got.student_nll - nll / n) < kFp32);
    BOOST_TEST(got.teacher_nll > 0);
  }
}

BOOST_AUTO_TEST_CASE(the_number_of_ranks_does_not_show) {
  const std::vector<std::int32_t> ids = some_ids(200);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const DivergenceSummary alone = score(ids, {32, 5}, *make_single_communicator());
  for (const int ranks : {2, 3, 7}) {
    std::vector<DivergenceSummary> seen(static_cast<std::size_t>(ranks));
    run_local_ranks(ranks, [&](Communicator& comm) {
      at::set_num_threads(1);
      seen[static_cast<std::size_t>(comm.rank())] = score(ids, {32, 5}, comm);
    });
    for (const DivergenceSummary& summary : seen) {
      BOOST_TEST(summary.mean == alone.mean);
      BOOST_TEST(summary.p99 == alone.p99);
      BOOST_TEST(summary.student_nll == alone.student_nll);
      BOOST_TEST(summary.positions == 5 * 15);
    }
  }
  at::set_num_threads(threads);
}

BOOST_AUTO_TEST_CASE(all_chunks_when_none_are_counted) {
  BOOST_TEST(TextScorer(some_ids(100), {32, 0}, "test").chunks() == 3);
  BOOST_TEST(TextScorer(some_ids(100), {32, 2}, "test").positions() == 30);
}

BOOST_AUTO_TEST_CASE(positions_are_told_one_by_one_and_likelihoods_alone) {
  const auto comm = make_single_communicator();
  const std::vector<std::int32_t> ids = some_ids(100);
  TextScorer scorer(cut_windows(ids, {WindowKind::sliding, 32, 16}));
  Decoder teacher(nano(), at::kCPU, true);
  const auto student = bent();
  const at::Tensor head = student->head_weight(at::kFloat);
  scorer.run_teacher(teacher, *comm);
  const TextScores each = scorer.score_each(*student, head, teacher.head_weight(at::kFloat), *comm);
  BOOST_TEST(each.positions.size() == 99u);
  BOOST_TEST(scorer.first_slot(static_cast<std::size_t>(scorer.chunks())) == 99u);
  BOOST_TEST(each.seconds > 0);
  const DivergenceSummary all = scorer.score(*student, head, teacher.head_weight(at::kFloat), *comm);
  BOOST_TEST(summarise(each.positions).mean == all.mean);
  const TextScores alone = scorer.likelihoods(*student, head, *comm);
  for (std::size_t i = 0; i < each.positions.size(); ++i)
    BOOST_TEST(std::abs(alone.positions[i].student_nll - each.positions[i].student_nll) < kFp32);
  BOOST_TEST(all.student_nll > 0);
}

BOOST_AUTO_TEST_CASE(masked_tokens_do_not_count) {
  const auto comm = make_single_communicator();
  const std::vector<std::int32_t> ids = some_ids(16);
  ScoreWindow padded{ids, 0, 15, std::vector<std::uint8_t>(16, 1)};
  for (std::size_t i = 10; i < 16; ++i) padded.mask[i] = 0;
  const ScoreWindow cut{{ids.begin(), ids.begin() + 10}, 0, 9, {}};
  Decoder model(nano(), at::kCPU, true);
  const at::Tensor head = model.head_weight(at::kFloat);
  const TextScores with = scorer_of(padded).likelihoods(model, head, *comm);
  const TextScores without = scorer_of(cut).likelihoods(model, head, *comm);
  const DivergenceSummary a = summarise(with.positions);
  const DivergenceSummary b = summarise(without.positions);
  BOOST_TEST((a.positions == 9 && b.positions == 9));
  BOOST_TEST(std::abs(a.student_nll - b.student_nll) < kFp32);
}

BOOST_AUTO_TEST_CASE(windows_that_have_not_what_they_score_are_refused) {
  const std::vector<std::int32_t> ids = some_ids(8);
  BOOST_CHECK_NO_THROW(scorer_of({ids, 0, 7, {}}));
  for (const ScoreWindow& wrong :
       {ScoreWindow{ids, 0, 8, {}}, ScoreWindow{ids, -1, 3, {}}, ScoreWindow{ids, 2, 0, {}},
        ScoreWindow{ids, 0, 7, std::vector<std::uint8_t>(7, 1)}})
    BOOST_CHECK_THROW(scorer_of(wrong), Error);
  BOOST_TEST(TextScorer(std::vector<ScoreWindow>{}).positions() == 0);
}

BOOST_AUTO_TEST_CASE(digests_tell_comparable_scores) {
  const std::string digest = TextScorer(some_ids(100), {32, 2}, "test").digest();
  BOOST_TEST(TextScorer(some_ids(99), {32, 2}, "test").digest() == digest);  // the rest is not scored
  BOOST_TEST(TextScorer(some_ids(100), {32, 3}, "test").digest() != digest);
  BOOST_TEST(TextScorer(some_ids(100), {16, 4}, "test").digest() != digest);
}

BOOST_AUTO_TEST_CASE(texts_and_protocols_that_give_nothing) {
  BOOST_TEST(error_code(63, {32, 2}) == static_cast<int>(ExitCode::data));
  BOOST_TEST(error_code(64, {32, 2}) == 0);
  BOOST_TEST(error_code(31, {32, 0}) == static_cast<int>(ExitCode::data));
  BOOST_TEST(error_code(64, {3, 2}) == static_cast<int>(ExitCode::usage));
  BOOST_TEST(error_code(64, {32, -1}) == static_cast<int>(ExitCode::usage));
  const TextScorer scorer(some_ids(64), {32, 2}, "test");
  const auto student = bent();
  const auto comm = make_single_communicator();
  BOOST_CHECK_THROW(
      scorer.score(*student, student->head_weight(at::kFloat), student->head_weight(at::kFloat), *comm),
      Error);
}

BOOST_AUTO_TEST_SUITE_END()
