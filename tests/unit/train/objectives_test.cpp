// Training against the cache's payloads, whole runs in this process: the losses are what they say, they fall,
// and caches that cannot feed an objective are refused with the remedy.
#include "anemll/core/error.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/model/torch_bridge.hpp"
#include "tests/support/open_student.hpp"
#include "tests/unit/train/payload_cache.hpp"

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using nlohmann::json;

namespace {

/// fp32 sums in another order, and nine digits in the log.
constexpr double kSame = 2e-5;

struct Setup {
  test::TempDir work;
  std::filesystem::path cache = work / "cache";

  explicit Setup(const test::PayloadCache& made = {}) { test::write_payload_cache(cache, made); }
  TrainOptions options(const std::string& objective, const std::string& out = "out") const {
    TrainOptions options = test::nano_options(cache, work / out);
    options.kd_objective = objective_named(objective);
    return options;
  }
};

/// log softmax of the untrained student on the first `rows` blocks, [rows, S, V] in double.
at::Tensor student_logits(const TrainOptions& options, const test::NanoTeacher& teacher) {
  const at::NoGradGuard no_grad;
  Student student = test::open_student(test::nano_files(), *options.v2_checkpoint);
  student.set_numerics({ForwardMode::materialised, /*ste=*/true});
  student.set_evaluation();
  Decoder& decoder = student.decoder();
  return decoder.logits(decoder.hidden(teacher.ids, {}).narrow(1, 0, teacher.ids.size(1) - 1))
      .to(at::kDouble);
}

void close(double value, double expected) {
  BOOST_TEST(std::abs(value / expected - 1) <= kSame, value << " for " << expected);
}

void refused(const TrainOptions& options, const std::vector<std::string>& words) {
  BOOST_CHECK_EXCEPTION(test::train(options), Error, [&](const Error& e) {
    const std::string text = std::string(e.what()) + e.where() + e.hint();
    for (const std::string& word : words)
      BOOST_TEST(text.find(word) != std::string::npos, "no '" << word << "' in: " << text);
    return e.code() == ExitCode::data && !e.hint().empty();
  });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(train_objectives)

BOOST_AUTO_TEST_CASE(first_losses_are_the_formulas) {
  const Setup s;
  const test::NanoTeacher teacher = test::ask_nano(4);
  const at::Tensor z = student_logits(s.options("exact"), teacher);
  const at::Tensor head = as_torch(*test::nano_files().tensors.find("lm_head.weight")).to(at::kDouble);
  for (const double t : {1.0, 2.0}) {
    const at::Tensor log_q = at::log_softmax(z / t, -1);
    const at::Tensor log_p =
        at::log_softmax(at::matmul(teacher.hidden.to(at::kHalf).to(at::kDouble), head.t()) / t, -1);
    TrainOptions options = s.options("exact");
    options.temperature = t;
    double kl = (log_p.exp() * (log_p - log_q)).sum(-1).mean().item<double>() * t * t;
    json line = test::of_kind(test::train(options), "train").at(0);
    close(line.at("kl").get<double>(), kl);
    close(line.at("loss").get<double>(), kl);

    const auto [values, ids] = teacher.logits.topk(16, -1);
    const at::Tensor lse = at::logsumexp(teacher.logits.to(at::kDouble) / t, -1, true);
    const at::Tensor p = (values.to(at::kHalf).to(at::kDouble) / t - lse).exp();
    const at::Tensor p_tail = 1 - p.sum(-1);
    const at::Tensor q_tail = 1 - log_q.gather(-1, ids).exp().sum(-1);
    BOOST_TEST(p_tail.min().item<double>() > 1e-3);  // the random model spreads: the tail is what counts
    kl = ((p * (p.log() - log_q.gather(-1, ids))).sum(-1) + p_tail * (p_tail.log() - q_tail.log()))
             .mean()
             .item<double>() *
         t * t;
    options.kd_objective = objective_named("topk-tail");
    options.hard_top1 = 0.2;
    line = test::of_kind(test::train(options), "train").at(0);
    close(line.at("kl").get<double>(), kl);
    const double ce = -at::log_softmax(z, -1).gather(-1, ids.narrow(-1, 0, 1)).mean().item<double>();
    close(line.at("ce").get<double>(), ce);
    close(line.at("loss").get<double>(), kl + 0.2 * ce);
  }
}

BOOST_AUTO_TEST_CASE(training_lowers_what_it_trains_on) {
  const Setup s;
  for (const std::string objective : {"exact", "topk-tail"}) {
    TrainOptions options = s.options(objective, "out-" + objective);
    options.max_steps = 20;
    options.lr = 5e-4;
    options.hard_top1 = 0.1;
    options.order = OrderKind::shuffle;
    options.eval_samples = 24;
    const std::vector<json> evals = test::of_kind(test::train(options), "eval");
    // On rows it has seen: a random model has little to generalise.
    const double before = evals.front().at("train_kl_mean").get<double>();
    const double after = evals.back().at("train_kl_mean").get<double>();
    BOOST_TEST(after < 0.9 * before, before << " to " << after);
  }
}

BOOST_AUTO_TEST_CASE(bfloat16_learns_the_same) {
  const Setup s;
  TrainOptions options = s.options("exact");
  options.max_steps = 8;
  options.lr = 2e-3;
  const std::vector<json> wide = test::of_kind(test::train(options), "train");
  options.precision = Precision::bf16;
  options.output_dir += "-bf16";
  const std::vector<json> low = test::of_kind(test::train(options), "train");
  for (std::size_t i = 0; i < wide.size(); ++i) {
    const double want = wide[i].at("kl").get<double>();
    BOOST_TEST(std::abs(low[i].at("kl").get<double>() / want - 1) < 1e-2);  // of bf16 hidden states, mostly
  }
}

BOOST_AUTO_TEST_CASE(resuming_repeats_every_bit_and_holds_the_objective) {
  const Setup s;
  TrainOptions options = s.options("exact", "whole");
  options.max_steps = 6;
  options.lr = 1e-3;
  const std::vector<json> whole = test::of_kind(test::train(options), "train");
  options.output_dir = (s.work / "parts").string();
  options.save_steps = 3;
  options.constant_lr = true;
  TrainOptions first = options;
  first.max_steps = 3;
  test::train(first);
  options.resume = "auto";
  TrainOptions other = options;
  other.kd_objective = objective_named("topk");
  BOOST_CHECK_THROW(test::train(other), Error);
  const std::vector<json> parts = test::of_kind(test::train(options), "train");
  BOOST_TEST(parts.size() == 6u);
  options.resume = "none";
  options.output_dir = (s.work / "again").string();
  const std::vector<json> again = test::of_kind(test::train(options), "train");
  for (std::size_t i = 0; i < 6; ++i) BOOST_TEST(parts[i].at("loss") == again[i].at("loss"));
}

BOOST_AUTO_TEST_CASE(caches_that_cannot_feed_the_objective) {
  {
    const Setup s({.hidden = false});
    refused(s.options("exact"), {"hidden states", "--payload topk,hidden"});
    TrainOptions options = s.options("topk-tail");
    options.temperature = 3;
    refused(options, {"temperature 3", "at 1 and 2", "--train_temperature 3"});
    options.temperature = 1;
    BOOST_CHECK_NO_THROW(test::train(options));
  }
  {
    const std::string foreign(64, 'a');
    const Setup s({.temperature = 0, .lse_t1 = false, .head = foreign});
    refused(s.options("exact"), {foreign, head_sha256(test::nano_files()), "--model-id"});
    refused(s.options("topk-tail"), {"the cache has none", "--payload topk,lse"});
    const json line = test::of_kind(test::train(s.options("topk")), "eval").at(0);
    BOOST_TEST(!line.contains("train_kl_mean"));  // absent, never of another head
    BOOST_TEST(line.contains("holdout_loss"));
  }
  TrainOptions contradiction = test::nano_options("x", "y");
  contradiction.kd_objective = objective_named("exact");
  contradiction.no_full_logits = true;
  BOOST_CHECK_THROW(check_train_options(contradiction), Error);
}

// A checkpoint may bring an embedding, and with it a head, of its own.
BOOST_AUTO_TEST_CASE(a_head_out_of_the_checkpoint_is_not_the_teachers) {
  const Setup s;
  TensorMap state = read_state_dict(test::golden("nano/v2_q2a4_init.pt"));
  const at::Tensor bent =
      as_torch(*test::nano_files().tensors.find("model.embed_tokens.weight")).to(at::kFloat) * 1.01;
  for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"}) state.set(name, as_host(bent));
  std::vector<LazyTensor> entries;
  for (const auto& [name, tensor] : state) entries.push_back(lazy(name, tensor));
  const std::filesystem::path file = s.work / "bent.pt";
  write_torch_file(file, entries);

  TrainOptions options = s.options("exact");
  options.v2_checkpoint = file.string();
  refused(options, {"one of its own", "checkpoint"});
  options.kd_objective = objective_named("topk");
  options.lr = 0;
  json line = test::of_kind(test::train(options), "eval").at(0);
  const double loss = line.at("loss").get<double>();
  BOOST_TEST(!line.contains("train_kl_mean"));

  // With a teacher at hand there is no need for a common head; and the head survives moves to other folders.
  options.teacher_model = test::golden("nano").string();
  options.v2_checkpoint.reset();
  for (const char* next : {"second", "third"}) {
    options.resume = options.output_dir;
    options.output_dir = (s.work / next).string();
    ++options.max_steps;
    line = test::of_kind(test::train(options), "eval").back();
    BOOST_TEST(line.at("train_kl_mean").get<double>() > 0);
    close(line.at("loss").get<double>(), loss);
  }
}

// A consumer that does not know it reads another model.
BOOST_AUTO_TEST_CASE(a_resumed_run_still_says_that_its_scales_are_positive) {
  const Setup s;
  std::filesystem::create_directories(s.work / "source");
  std::filesystem::copy_file(test::golden("nano/v2_q2a4_init.pt"), s.work / "source/v2.pt");
  write_file(s.work / "source/config.json", R"({"force_positive_scales": true})");
  TrainOptions options = s.options("topk");
  options.v2_checkpoint = (s.work / "source/v2.pt").string();
  const auto says = [&] {
    test::train(options);
    return json::parse(read_text(s.work / "out/config.json")).at("force_positive_scales").get<bool>();
  };
  BOOST_TEST(says());
  options.max_steps = 2;
  options.resume = "auto";
  BOOST_TEST(says());
}

BOOST_AUTO_TEST_SUITE_END()
