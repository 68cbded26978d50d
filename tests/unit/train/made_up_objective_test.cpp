// Two objectives that only this file knows: `reverse`, of the cached ids alone, and `squared`, which looks at
// the whole vocabulary and needs something of the cache. Both are options, check their cache, train and
// resume by the code for all objectives.
#include "anemll/core/error.hpp"
#include "anemll/train/train_options.hpp"
#include "src/distill/kd_cached.hpp"
#include "src/distill/kd_chunk.hpp"
#include "src/distill/kd_rows.hpp"
#include "src/distill/kd_token.hpp"
#include "src/distill/objective.hpp"
#include "src/kernels/dispatch.hpp"
#include "src/train/internal/memory_plan.hpp"
#include "src/train/internal/source_plan.hpp"
#include "tests/unit/distill/kd_checks.hpp"
#include "tests/unit/train/payload_cache.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;
using nlohmann::json;

namespace {

// `reverse`: KL(q || p), both renormalised inside the cached ids.

KdTokenTerms reverse_terms(std::span<const float> teacher, std::span<const float> student, double temperature,
                           double sampled_weight, std::span<double> gradient) {
  const double scale = 1.0 / temperature;
  const double teacher_norm = log_sum_exp(teacher, scale);
  const double student_norm = log_sum_exp(student.first(teacher.size()), scale);
  const auto log_q = [&](std::size_t k) { return scale * double{student[k]} - student_norm; };
  const auto gap = [&](std::size_t k) { return log_q(k) - scale * double{teacher[k]} + teacher_norm; };
  double divergence = 0;
  for (std::size_t k = 0; k < teacher.size(); ++k) divergence += std::exp(log_q(k)) * gap(k);
  std::fill(gradient.begin(), gradient.end(), 0.0);
  for (std::size_t k = 0; k < std::min(gradient.size(), teacher.size()); ++k)
    gradient[k] = temperature * std::exp(log_q(k)) * (gap(k) - divergence);

  KdTokenTerms terms;
  terms.kl = temperature * temperature * divergence;
  if (sampled_weight > 0) terms.sampled_ce = kd_sampled_ce(student, sampled_weight, gradient);
  return terms;
}

kd::CachedTerms reverse_divergence(const at::Tensor& teacher, const at::Tensor& student, double temperature) {
  const at::Tensor log_q = at::log_softmax(student / temperature, 1);
  const at::Tensor gap = log_q - at::log_softmax(teacher / temperature, 1);
  const at::Tensor divergence = (log_q.exp() * gap).sum(1, true);
  return {divergence, log_q.exp() * (gap - divergence) * temperature};
}

Objective reverse_objective() {
  Objective row;
  row.name = "reverse";
  row.help = "asks how likely the teacher finds the student's choices among the cached ids";
  row.on_cpu = kd::cached_on_cpu<reverse_terms>;
  row.on_chunk = kd::cached_on_chunk<reverse_divergence>;
  return row;
}

// `squared`: the squared difference of true log-probabilities, summed over the cached ids.

/// The logits of a token become its terms and, in place, the gradient of the logits.
template <class T>
void squared_row(std::span<T> logits, const kd::CpuInputs& in, std::size_t row, const KdLossOptions& options,
                 kd::TokenValues& values, kd::Scratch& scratch) {
  const double weight = in.weight_of(row);
  if (weight == 0) {
    std::fill(logits.begin(), logits.end(), T{});
    return;
  }
  const double t = options.temperature;
  const double hard = options.hard_top1 + options.hard_full;
  std::vector<float> z(logits.size());
  std::transform(logits.begin(), logits.end(), z.begin(), [](T logit) { return kernels::load(logit); });
  in.candidates(row, scratch.ids);
  const std::vector<std::size_t>& ids = scratch.ids;
  const double norm = log_sum_exp(z, 1.0 / t);
  std::vector<double> slope(ids.size());  // of the candidates
  double distance = 0;
  double gaps = 0;
  for (std::size_t k = 0; k < in.cached; ++k) {
    const double gap = double{z[ids[k]]} / t - norm - (double{in.teacher(row)[k]} / t - in.teacher_lse(row));
    distance += gap * gap;
    gaps += gap;
    slope[k] = 2 * t * gap;
  }
  values.kl[row] = t * t * distance;
  if (options.sampled_ce_weight > 0) {
    for (std::size_t c = 0; c < ids.size(); ++c) scratch.student[c] = z[ids[c]];
    values.sampled_ce[row] = kd_sampled_ce(scratch.student, options.sampled_ce_weight, slope);
  }
  const double plain_norm = log_sum_exp(z, 1.0);
  if (hard > 0) values.ce[row] = plain_norm - double{z[ids[0]]};

  std::vector<double> all(z.size());
  for (std::size_t v = 0; v < z.size(); ++v) {
    all[v] = -2 * t * gaps * std::exp(double{z[v]} / t - norm);
    if (hard > 0) all[v] += hard * std::exp(double{z[v]} - plain_norm);
  }
  all[ids[0]] -= hard;
  for (std::size_t c = 0; c < ids.size(); ++c) all[ids[c]] += slope[c];
  for (std::size_t v = 0; v < z.size(); ++v) kernels::store(logits[v], static_cast<float>(weight * all[v]));
}

KdLossSums squared_on_cpu(const kd::CpuInputs& in, const KdLossOptions& options, const at::Tensor& gradient) {
  return kernels::dispatch(in.head.scalar_type(), [&]<class T>() {
    return kd::over_all_logits<T>(
        in, options, gradient,
        [&](std::span<T> logits, std::size_t row, kd::TokenValues& values, kd::Scratch& scratch) {
          squared_row<T>(logits, in, row, options, values, scratch);
        });
  });
}

at::Tensor squared_on_chunk(const kd::Chunk& chunk, const at::Tensor& head, const KdLossOptions& options,
                            bool with_gradient, at::Tensor& sums) {
  const double t = options.temperature;
  const double hard = options.hard_top1 + options.hard_full;
  const std::int64_t cached = chunk.teacher.size(1);
  const at::Tensor logits =
      at::mm(chunk.hidden.to(head.scalar_type()), head.t()).to(chunk.teacher.scalar_type());
  const at::Tensor student = logits.gather(1, chunk.ids);
  const at::Tensor log_q = at::log_softmax(logits / t, 1);
  const at::Tensor gap = log_q.gather(1, chunk.ids.narrow(1, 0, cached)) - (chunk.teacher / t - chunk.lse);
  kd::add_to(sums[0], gap.square().sum(1, true) * (t * t), chunk);
  at::Tensor slope = at::zeros_like(student);
  slope.narrow(1, 0, cached).copy_(gap * (2 * t));
  if (options.sampled_ce_weight > 0) kd::sampled_terms(chunk, student, options, slope, sums);
  at::Tensor slopes = log_q.exp() * (gap.sum(1, true) * (-2 * t));
  if (hard > 0) {
    const at::Tensor norm = at::logsumexp(logits, 1, true);
    kd::add_to(sums[1], norm - student.narrow(1, 0, 1), chunk);
    slopes += (logits - norm).exp() * hard;
    slope.narrow(1, 0, 1).sub_(hard);
  }
  if (!with_gradient) return {};
  slopes.scatter_add_(1, chunk.ids, slope);
  return at::mm((slopes * chunk.weight).to(head.scalar_type()), head);
}

Objective squared_objective() {
  Objective row;
  row.name = "squared";
  row.help = "squares the difference of log-probabilities of the cached ids (cache with lse)";
  row.payloads = {Payload::lse};
  row.all_logits = true;
  row.check = require_lse;
  row.take = take_lse;
  row.on_cpu = squared_on_cpu;
  row.on_chunk = squared_on_chunk;
  return row;
}

struct Registered {
  Registered() {
    register_objective(reverse_objective());
    register_objective(squared_objective());
  }
};
BOOST_TEST_GLOBAL_FIXTURE(Registered);

/// What both are, from LibTorch operators alone.
at::Tensor expected(const test::KdCase& kd, const KdLossOptions& options, const at::Tensor& logits) {
  const double t = options.temperature;
  const at::Tensor idx = kd.targets.topk_idx.to(at::kLong);
  const at::Tensor teacher = kd.targets.topk_logits.to(at::kDouble) / t;
  if (options.objective == objective_named("reverse")) {
    const at::Tensor q = at::softmax(logits.gather(1, idx) / t, 1);
    return (q * (at::log(q) - at::log_softmax(teacher, 1))).sum(1);
  }
  const at::Tensor log_q = at::log_softmax(logits / t, 1).gather(1, idx);
  return at::square(log_q - (teacher - kd.targets.teacher_lse.to(at::kDouble).unsqueeze(1))).sum(1);
}

/// With a teacher whose cached ids hold nine tenths of its mass.
test::KdCase made_case(double temperature) {
  test::KdCase kd = test::make_kd_case({});
  const at::Tensor logits = kd.targets.topk_logits.to(at::kDouble);
  kd.targets.teacher_lse = (at::logsumexp(logits / temperature, 1) - std::log(0.9)).to(at::kFloat);
  kd.targets.weight.select(0, 3).fill_(0.5F);
  kd.targets.weight.select(0, 12).fill_(0);
  return kd;
}

TrainOptions parsed(std::vector<const char*> words) {
  TrainOptions options;
  OptionTable table = make_train_table(options);
  words.insert(words.begin(), {"anemll_train", "--cache-dir", "x", "--from-scratch"});
  table.parse(static_cast<int>(words.size()), words.data(), false);
  check_train_options(options);
  return options;
}

bool tells(const Error& error, ExitCode code, const std::vector<std::string>& words) {
  const std::string text = std::string(error.what()) + " " + error.where() + " " + error.hint();
  for (const std::string& word : words)
    BOOST_TEST(text.find(word) != std::string::npos, "no '" << word << "' in: " << text);
  return error.code() == code;
}

TrainOptions run_options(const test::TempDir& work, const std::string& objective, const std::string& out) {
  TrainOptions options = test::nano_options(work / "cache", work / out);
  options.kd_objective = objective_named(objective);
  options.lr = 1e-3;
  options.constant_lr = true;
  options.eval_samples = 0;
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(made_up_objective)

BOOST_AUTO_TEST_CASE(they_are_words_of_the_option) {
  for (const char* name : {"reverse", "squared"})
    BOOST_TEST((parsed({"--kd-objective", name}).kd_objective == objective_named(name)));
  BOOST_TEST((parsed({}).kd_objective == objective_named("topk")));
  BOOST_CHECK_EXCEPTION(parsed({"--kd-objective", "revers"}), Error, [](const Error& error) {
    return tells(error, ExitCode::usage,
                 {"'revers'", "topk | topk-tail | exact", " | reverse", " | squared"});
  });
  TrainOptions options;
  const std::string page = make_train_table(options).markdown();
  for (const char* name : {"topk", "reverse", "squared"}) {
    const std::string words = std::string(name).append(" ").append(objective_named(name)->help);
    BOOST_TEST(page.find(words) != std::string::npos, words);
  }
  BOOST_CHECK_EXCEPTION(objective_named("revers"), Error, [](const Error& error) {
    return tells(error, ExitCode::usage, {"'revers'", "topk-tail", "reverse"});
  });
}

BOOST_AUTO_TEST_CASE(one_that_looks_at_all_logits_contradicts_no_full_logits) {
  BOOST_CHECK_NO_THROW(parsed({"--no-full-logits", "--kd-objective", "reverse"}));
  BOOST_CHECK_EXCEPTION(parsed({"--no-full-logits", "--kd-objective", "squared"}), Error, [](const Error& e) {
    return tells(e, ExitCode::usage, {"--no-full-logits, --kd-objective squared", "drop one"});
  });
}

BOOST_AUTO_TEST_CASE(an_objective_may_be_replaced) {
  const KdObjective before = objective_named("reverse");
  const std::size_t words = choices_of(KdObjective()).size();
  register_objective(reverse_objective());
  BOOST_TEST((objective_named("reverse") == before));
  BOOST_TEST(choices_of(KdObjective()).size() == words);
  Objective without = reverse_objective();
  without.on_chunk = nullptr;
  BOOST_CHECK_THROW(register_objective(without), std::logic_error);
}

BOOST_AUTO_TEST_CASE(values_and_gradients_are_those_of_autograd) {
  // The errors of fp32 logits, through a square.
  constexpr double close = 4 * test::kFp32;
  for (const char* name : {"reverse", "squared"}) {
    for (const KdLossOptions& options : test::all_terms(objective_named(name))) {
      test::KdCase kd = made_case(options.temperature);
      const test::KdExpected want = test::expected_kd_loss(kd, options, expected);
      test::check_case(&kd_loss, kd, want, options, close, close);
      test::check_case(&kd_loss_generic, kd, want, options, close, close);
      kd.head = kd.head.to(at::kDouble);
      kd.hidden = kd.hidden.to(at::kDouble);
      test::check_case(&kd_loss, kd, want, options, 1e-12, 1e-11);
    }
  }
}

BOOST_AUTO_TEST_CASE(without_a_form_for_the_cpu_the_other_one_serves) {
  Objective slow = squared_objective();
  slow.on_cpu = nullptr;
  KdLossOptions options;
  options.objective = KdObjective(slow);
  const test::KdCase kd = made_case(options.temperature);
  const at::Tensor first = at::empty_like(kd.hidden);
  const at::Tensor second = at::empty_like(kd.hidden);
  const KdLossSums sums = kd_loss(kd.hidden, kd.head, kd.targets, options, first);
  BOOST_TEST(sums.total == kd_loss_generic(kd.hidden, kd.head, kd.targets, options, second).total);
  BOOST_TEST(first.equal(second));
}

BOOST_AUTO_TEST_CASE(the_memory_plan_counts_what_the_row_says) {
  const Architecture& model = test::nano_files().architecture;
  TrainOptions options = test::nano_options("x", "y");
  const SourcePlan source = plan_source(options, model, std::nullopt);
  KdCacheInfo cache;
  cache.length = 64;
  cache.positions = 63;
  cache.topk = 16;
  cache.sequences = 24;
  Objective row = squared_objective();
  options.kd_objective = KdObjective(row);
  const MemoryFacts facts{options, model, cache, source};
  const auto bytes = [&](const std::string& wanted) {
    for (const MemoryItem& item : plan_memory(facts, options.batch_size, true).items)
      if (item.name == wanted) return item.bytes;
    return std::int64_t{-1};
  };
  const std::int64_t chunk = bytes("logits chunk and its gradient");
  const std::int64_t batches = bytes("batches read ahead");
  BOOST_TEST(chunk > 0);
  row.teacher_logits = true;
  row.payloads.add(Payload::hidden);
  BOOST_TEST(bytes("logits chunks of teacher and student") == 2 * chunk);
  BOOST_TEST(bytes("batches read ahead") == batches + 5 * options.batch_size * 63 * model.hidden_size * 2);
}

BOOST_AUTO_TEST_CASE(training_lowers_them) {
  const test::TempDir work;
  test::write_payload_cache(work / "cache", {});
  for (const std::string objective : {"reverse", "squared"}) {
    TrainOptions options = run_options(work, objective, objective);
    options.batch_size = 8;  // of 24 rows in order: steps 1 and 10 see the same ones
    options.max_steps = 10;
    const std::vector<json> lines = test::of_kind(test::train(options), "train");
    BOOST_REQUIRE(lines.size() == 10U);
    const double before = lines.front().at("kl").get<double>();
    const double after = lines.back().at("kl").get<double>();
    BOOST_TEST(before > 0);
    BOOST_TEST(after < 0.97 * before, objective << ": " << before << " to " << after);
  }
}

BOOST_AUTO_TEST_CASE(a_resumed_run_repeats_every_bit_and_holds_the_objective) {
  const test::TempDir work;
  test::write_payload_cache(work / "cache", {});
  TrainOptions options = run_options(work, "squared", "whole");
  options.max_steps = 4;
  const std::vector<json> whole = test::of_kind(test::train(options), "train");
  options.output_dir = (work / "halves").string();
  options.save_steps = 2;
  TrainOptions half = options;
  half.max_steps = 2;
  test::train(half);
  options.resume = "auto";
  for (const char* other : {"topk", "reverse"}) {
    TrainOptions changed = options;
    changed.kd_objective = objective_named(other);
    BOOST_CHECK_THROW(test::train(changed), Error);
  }
  const std::vector<json> halves = test::of_kind(test::train(options), "train");
  BOOST_REQUIRE(halves.size() == 4U);
  for (std::size_t i = 0; i < halves.size(); ++i) BOOST_TEST(halves[i].at("loss") == whole[i].at("loss"));
}

BOOST_AUTO_TEST_CASE(a_cache_that_cannot_feed_it_is_refused) {
  const test::TempDir work;
  test::write_payload_cache(work / "cache", {.temperature = 0, .lse_t1 = false});
  BOOST_CHECK_EXCEPTION(test::train(run_options(work, "squared", "refused")), Error, [](const Error& error) {
    return tells(error, ExitCode::data,
                 {"--kd-objective squared at temperature 2", "the cache has none", "--payload topk,lse"});
  });
  BOOST_CHECK_NO_THROW(test::train(run_options(work, "reverse", "taken")));
}

BOOST_AUTO_TEST_SUITE_END()
