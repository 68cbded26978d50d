// What an evaluation reports: divergences from hidden states in the cache or from a teacher at hand, the same
// on any number of ranks, on plain text at start and end, and nothing where nobody knows.
#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/data/kd_cache.hpp"
#include "src/core/signals.hpp"
#include "src/distill/evaluator.hpp"
#include "src/distill/sample_scores.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/train/internal/selection.hpp"
#include "src/train/internal/teacher_and_text.hpp"
#include "tests/support/capture.hpp"
#include "tests/support/open_student.hpp"
#include "tests/unit/train/payload_cache.hpp"

#include <atomic>
#include <cmath>
#include <csignal>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using nlohmann::json;

namespace {

constexpr const char* kKeys[] = {"_kl_mean", "_kl_median", "_kl_p99", "_top1", "_positions"};
/// Half hidden states against fp32 ones: logits of size 5 move by 2^-11 of themselves.
constexpr double kHalf = 5e-3;
/// fp32 sums in another order.
constexpr double kSame = 1e-5;

bool has(const json& line, const std::string& part) {
  bool all = true;
  bool any = false;
  for (const char* key : kKeys) {
    all = all && line.contains(part + key);
    any = any || line.contains(part + key);
  }
  BOOST_TEST(all == any);  // all of a part or none
  return all;
}

std::string write_text(const test::TempDir& work) {
  std::string text;
  for (int i = 0; i < 60; ++i)
    text += "Sentence " + std::to_string(i * i) + " tells of the model's own words. ";
  write_file(work / "text.txt", text);
  return (work / "text.txt").string();
}

/// A student and what it is evaluated on, as the trainer puts them together.
EvaluationResult evaluate(const std::filesystem::path& cache, bool teacher, Communicator& comm) {
  TrainOptions options = test::nano_options(cache, "unused");
  Prefetcher::Options reading;
  reading.rank = comm.rank();
  reading.world = comm.size();
  Prefetcher data(cache, OrderKind::sequential, 4, 0, reading);
  Student student = test::open_student(test::nano_files(), *options.v2_checkpoint);
  const Selection selection = select_trained(student, options);
  student.set_evaluation();
  Evaluator::Sources sources;
  sources.cache_hidden = data.info().hidden > 0;
  sources.teacher_rows = teacher;
  sources.base_fingerprint = test::nano_files().fingerprint;
  if (teacher) sources.teacher = test::nano_files();
  return Evaluator(evaluation_protocol(options), data, {&student.decoder(), student.has_own_head()},
                   std::move(sources), comm, at::kCPU)
      .run(true);
}

/// Does `what` before the layer that it wraps.
class Noticing : public Linear {
 public:
  Noticing(std::unique_ptr<Linear> inner, std::function<void()> what)
      : inner_(std::move(inner)), what_(std::move(what)) {}
  at::Tensor forward(const at::Tensor& x) override {
    what_();
    return inner_->forward(x);
  }

 private:
  std::unique_ptr<Linear> inner_;
  std::function<void()> what_;
};

void notice(Decoder::Slot& slot, std::function<void()> what) {
  slot.linear = std::make_unique<Noticing>(std::move(slot.linear), std::move(what));
}

void same(const std::optional<DivergenceSummary>& a, const std::optional<DivergenceSummary>& b,
          double tolerance) {
  BOOST_REQUIRE((a && b));
  BOOST_TEST(a->positions == b->positions);
  const auto close = [&](double x, double y) { return std::abs(x - y) <= tolerance * std::abs(y); };
  BOOST_TEST(close(a->mean, b->mean), a->mean << " and " << b->mean);
  BOOST_TEST(close(a->median, b->median));
  BOOST_TEST(close(a->p99, b->p99));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(train_evaluation)

BOOST_AUTO_TEST_CASE(parts_are_reported_where_the_cache_knows) {
  const test::TempDir work;
  test::write_payload_cache(work / "full", {});
  json line = test::of_kind(test::train(test::nano_options(work / "full", work / "a")), "eval").at(0);
  BOOST_TEST(has(line, "train"));
  BOOST_TEST(has(line, "holdout"));
  BOOST_TEST(!has(line, "text"));
  BOOST_TEST(line.at("train_positions").get<int>() == 5 * 31);
  BOOST_TEST(line.at("holdout_positions").get<int>() == 5 * 31);

  test::write_payload_cache(work / "plain",
                            {.holdout = 0, .temperature = 0, .lse_t1 = false, .hidden = false});
  line = test::of_kind(test::train(test::nano_options(work / "plain", work / "b")), "eval").at(0);
  BOOST_TEST(!has(line, "train"));
  BOOST_TEST(!has(line, "holdout"));
  BOOST_TEST(!line.contains("holdout_loss"));
}

// A forward takes eight rows at once: waiting for its end would be waiting for eight.
BOOST_AUTO_TEST_CASE(a_signal_ends_a_forward_before_its_next_layer) {
  const test::TempDir work;
  test::write_payload_cache(work / "cache", {.rows = 8, .holdout = 0});
  KdBatch samples;
  KdCache::open(work / "cache").read(std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7}, {}, samples);
  install_signal_flag();
  std::atomic<int> first_layers{0};
  std::atomic<int> last_layers{0};
  std::atomic<int> stopped{0};
  run_local_ranks(2, [&](Communicator& comm) {
    Student student = test::open_student(test::nano_files(), test::golden("nano/v2_q2a4_init.pt"));
    student.set_evaluation();
    std::vector<Decoder::Slot>& slots = student.decoder().slots();
    notice(slots.front(), [&] {
      ++first_layers;
      if (comm.is_root()) ::raise(SIGTERM);
    });
    notice(slots.back(), [&] { ++last_layers; });
    try {
      sample_kd_loss(student.decoder(), samples, 1.0, comm);
    } catch (const StopError&) {
      ++stopped;
    }
  });
  clear_pending_signal();
  BOOST_TEST(stopped == 2);
  BOOST_TEST(first_layers >= 1);
  BOOST_TEST(last_layers == 0);
}

BOOST_AUTO_TEST_CASE(an_evaluation_that_throws_puts_the_compute_type_back) {
  const test::TempDir work;
  test::write_payload_cache(work / "cache", {.rows = 2, .holdout = 0});
  KdBatch samples;
  KdCache::open(work / "cache").read(std::vector<std::int64_t>{0, 1}, {}, samples);
  Student student = test::open_student(test::nano_files(), test::golden("nano/v2_q2a4_init.pt"));
  Decoder& decoder = student.decoder();
  decoder.set_compute(at::kBFloat16);
  at::ScalarType inside = at::kBFloat16;
  notice(decoder.slots().front(), [&] {
    inside = decoder.compute();
    throw std::runtime_error("a layer");
  });
  const auto comm = make_single_communicator();
  BOOST_CHECK_THROW(sample_kd_loss(decoder, samples, 1.0, *comm), std::runtime_error);
  BOOST_TEST((inside == at::kFloat));
  BOOST_TEST((decoder.compute() == at::kBFloat16));
  inside = at::kBFloat16;
  BOOST_CHECK_THROW(teacher_states(decoder, samples, *comm), std::runtime_error);
  BOOST_TEST((inside == at::kFloat));
  BOOST_TEST((decoder.compute() == at::kBFloat16));
}

BOOST_AUTO_TEST_CASE(train_rows_agree_with_a_direct_computation) {
  const test::TempDir work;
  test::write_payload_cache(work / "cache", {.rows = 5, .holdout = 0});
  const EvaluationResult got = evaluate(work / "cache", false, *make_single_communicator());
  const at::NoGradGuard no_grad;
  const test::NanoTeacher teacher = test::ask_nano(5);
  Student student = test::open_student(test::nano_files(), test::golden("nano/v2_q2a4_init.pt"));
  Decoder& decoder = student.decoder();
  student.set_evaluation();
  const at::Tensor head = as_torch(*test::nano_files().tensors.find("lm_head.weight")).to(at::kDouble);
  const auto log_p = [&](const at::Tensor& hidden) {
    return at::log_softmax(at::matmul(hidden.to(at::kDouble), head.t()), -1);
  };
  const at::Tensor p = log_p(teacher.hidden.to(at::kHalf));
  const at::Tensor q = log_p(decoder.hidden(teacher.ids, {}).narrow(1, 0, 31));
  const at::Tensor kl = (p.exp() * (p - q)).sum(-1).flatten();
  BOOST_REQUIRE(got.train.has_value());
  BOOST_TEST(std::abs(got.train->mean / kl.mean().item<double>() - 1) < kSame);
  BOOST_TEST(std::abs(got.train->median / kl.quantile(0.5).item<double>() - 1) < kSame);
  BOOST_TEST(std::abs(got.train->p99 / kl.quantile(0.99).item<double>() - 1) < kSame);
  BOOST_TEST(std::abs(got.train->top1 - p.argmax(-1).eq(q.argmax(-1)).to(at::kDouble).mean().item<double>()) <
             1e-12);
  BOOST_TEST(!got.holdout.has_value());
}

BOOST_AUTO_TEST_CASE(a_teacher_at_hand_says_what_the_cache_would) {
  const test::TempDir work;
  test::write_payload_cache(work / "with", {});
  test::write_payload_cache(work / "without", {.hidden = false});
  const auto comm = make_single_communicator();
  const EvaluationResult cached = evaluate(work / "with", false, *comm);
  const EvaluationResult asked = evaluate(work / "without", true, *comm);
  same(asked.train, cached.train, kHalf);
  same(asked.holdout, cached.holdout, kHalf);
  BOOST_TEST(asked.loss == cached.loss);
  const EvaluationResult nobody = evaluate(work / "without", false, *comm);
  BOOST_TEST((!nobody.train && !nobody.holdout));
  BOOST_TEST(nobody.holdout_loss.has_value());
}

BOOST_AUTO_TEST_CASE(ranks_share_the_work_and_get_the_same) {
  const test::TempDir work;
  test::write_payload_cache(work / "with", {});
  test::write_payload_cache(work / "without", {.hidden = false});
  for (const bool teacher : {false, true}) {
    const auto cache = work / (teacher ? "without" : "with");
    const EvaluationResult alone = evaluate(cache, teacher, *make_single_communicator());
    std::vector<EvaluationResult> seen(3);
    run_local_ranks(3, [&](Communicator& comm) {
      seen[static_cast<std::size_t>(comm.rank())] = evaluate(cache, teacher, comm);
    });
    for (const EvaluationResult& result : seen) {
      same(result.train, alone.train, kSame);
      same(result.holdout, alone.holdout, kSame);
      BOOST_TEST(std::abs(result.loss / alone.loss - 1) < kSame);
    }
  }
}

BOOST_AUTO_TEST_CASE(text_is_scored_at_start_and_end) {
  const test::TempDir work;
  test::write_payload_cache(work / "cache", {});
  TrainOptions options = test::nano_options(work / "cache", work / "out");
  options.kd_objective = objective_named("exact");
  options.max_steps = 4;
  options.lr = 2e-3;
  options.constant_lr = true;
  options.eval_steps = 2;
  options.eval_text = write_text(work);
  options.eval_ctx = 32;
  options.eval_chunks = 3;
  std::vector<json> lines = test::train(options);
  std::vector<json> evals = test::of_kind(lines, "eval");
  BOOST_REQUIRE(evals.size() == 3u);  // start, steps 2 and 4
  for (std::size_t i = 0; i < evals.size(); ++i) BOOST_TEST(has(evals[i], "text") == (i != 1));
  BOOST_TEST(evals[0].at("text_positions").get<int>() == 3 * 15);
  BOOST_TEST(evals[0].at("text_teacher_ppl").get<double>() > 1);
  BOOST_TEST(evals[2].at("text_kl_mean").get<double>() < evals[0].at("text_kl_mean").get<double>());
  const json summary = test::of_kind(lines, "summary").at(0).at("summary");
  const auto agrees = [&](const char* key, const json& line) {
    BOOST_TEST(std::abs(summary.at(key).get<double>() / line.at("text_kl_mean").get<double>() - 1) < 1e-8,
               key);
  };
  agrees("initial_text_kl_mean", evals[0]);
  agrees("final_text_kl_mean", evals[2]);

  // A resumed run remembers the start; with another text there is nothing to compare with.
  options.resume = "auto";
  options.max_steps = 5;
  options.eval_text_always = true;
  lines = test::train(options);
  agrees("initial_text_kl_mean", evals[0]);
  const double before = evals[0].at("text_kl_mean").get<double>();
  json again = test::of_kind(lines, "summary").back().at("summary");
  BOOST_TEST(std::abs(again.at("initial_text_kl_mean").get<double>() / before - 1) < 1e-8);
  options.max_steps = 6;
  options.eval_chunks = 2;
  lines = test::train(options);
  again = test::of_kind(lines, "summary").back().at("summary");
  BOOST_TEST(!again.contains("initial_text_kl_mean"));
  BOOST_TEST(again.contains("final_text_kl_mean"));
}

BOOST_AUTO_TEST_CASE(the_last_evaluation_is_made_and_told_once) {
  const test::TempDir work;
  test::write_payload_cache(work / "cache", {});
  TrainOptions options = test::nano_options(work / "cache", work / "out");
  options.max_steps = 4;
  options.constant_lr = true;
  options.eval_steps = 2;
  options.state_steps = 4;
  options.eval_ctx = 32;
  options.eval_chunks = 2;
  const auto told = [&] {  // "2 4!": steps, and which of them is called the last
    std::string steps;
    for (const json& line : test::of_kind(test::train(options), "eval"))
      steps += std::to_string(line.at("step").get<int>()) + (line.at("final").get<bool>() ? "! " : " ");
    return steps;
  };
  BOOST_TEST(told() == "0 2 4! ");
  // The reference's file has the last one twice.
  const std::string csv = read_text(work / "out" / "training_log.csv");
  const std::size_t end = csv.rfind("4,,", csv.rfind("4,,") - 1);
  BOOST_REQUIRE(end != std::string::npos);
  BOOST_TEST(csv.substr(end - 1, 1) == "\n");

  options.output_dir = (work / "odd").string();
  options.max_steps = 3;  // none is due at the last step
  BOOST_TEST(told() == "0 2 3! ");

  options.output_dir = (work / "patient").string();
  options.max_steps = 8;
  options.lr = 0;
  options.patience = 2;
  BOOST_TEST(told() == "0 2 4! ");
  options.output_dir = (work / "patient_text").string();  // what ends the run is known too late for the text
  options.eval_text = write_text(work);
  BOOST_TEST(told() == "0 2 4 4! ");
  options.eval_text.reset();
  options.patience = 0;

  // A run that is to end where its state was saved behind an evaluation.
  options.output_dir = (work / "cut").string();
  options.max_steps = 8;
  BOOST_TEST(told() == "0 2 4 6 8! ");
  const std::string state = (work / "cut" / "state" / "step_00000004").string();
  options.resume = state;
  options.max_steps = 4;
  options.output_dir = (work / "short").string();
  BOOST_TEST(told() == "0 2 4 ");
  options.output_dir = (work / "short_text").string();
  options.eval_text = write_text(work);
  BOOST_TEST(told() == "0 2 4 4! ");
}

BOOST_AUTO_TEST_CASE(a_run_that_made_it_worse_says_so) {
  for (const double lr : {1.0, 1e-4}) {
    const test::TempDir work;
    test::write_payload_cache(work / "cache", {});
    TrainOptions options = test::nano_options(work / "cache", work / "out");
    options.max_steps = 3;
    options.lr = lr;
    test::Capture err(STDERR_FILENO);
    (void)test::train(options);
    BOOST_TEST((err.text().find("no evaluation beat the start") != std::string::npos) == (lr == 1.0), lr);
  }
}

BOOST_AUTO_TEST_CASE(texts_that_cannot_be_scored_end_the_run_at_its_start) {
  const test::TempDir work;
  test::write_payload_cache(work / "cache", {});
  TrainOptions options = test::nano_options(work / "cache", work / "out");
  const auto code = [&] {
    try {
      test::train(options);
    } catch (const Error& e) {
      BOOST_TEST(!e.hint().empty());
      return e.code();
    }
    return ExitCode::done;
  };
  options.eval_text = (work / "missing.txt").string();
  BOOST_TEST((code() == ExitCode::data));
  options.eval_text = write_text(work);
  options.eval_chunks = 5;  // of 512 tokens
  BOOST_TEST((code() == ExitCode::data));
  BOOST_TEST(!std::filesystem::exists(work / "out" / "metrics.jsonl"));
  options.eval_ctx = 32;
  options.eval_samples = 0;
  BOOST_TEST((code() == ExitCode::usage));
}

BOOST_AUTO_TEST_SUITE_END()
