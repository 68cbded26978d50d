// Tables of options are complete; what a run trains is known before the model is built; batches lose the rows
// that teach nothing.
#include "anemll/core/error.hpp"
#include "src/distill/batch_tensors.hpp"
#include "src/train/internal/resume_differences.hpp"
#include "src/train/internal/selection.hpp"
#include "src/train/internal/source_plan.hpp"
#include "src/train/internal/suspicions.hpp"
#include "tests/support/open_student.hpp"
#include "tests/support/temp_dir.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;

namespace {

bool told(const SuspicionFacts& facts, const std::string& part) {
  const auto all = suspicions(facts);
  return std::any_of(all.begin(), all.end(),
                     [&](const Suspicion& s) { return s.problem.find(part) != std::string::npos; });
}

TrainOptions quiet() {
  TrainOptions o;
  o.from_scratch = true;
  o.max_steps = 1000;
  o.given = {"from-scratch", "cache-dir"};
  return o;
}
KdCacheInfo large_cache() {
  KdCacheInfo cache;
  cache.sequences = 10000;
  cache.length = 64;
  cache.positions = 63;
  cache.lse_train_temperature = 2;
  return cache;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(settings)

BOOST_AUTO_TEST_CASE(every_option_has_a_rule_for_resuming) {
  TrainOptions options;
  TrainOptions v1 = v1_defaults();
  std::set<std::string> names, rules;
  for (const std::string& text : {make_train_table(options).json(), make_train_v1_table(v1).json()}) {
    const auto json = nlohmann::json::parse(text);
    for (const auto& [name, value] : json.items()) names.insert(name);
  }
  for (const ResumeRule& rule : resume_rules()) rules.insert(std::string(rule.option));
  BOOST_TEST(names == rules, boost::test_tools::per_element());
  BOOST_TEST(rules.size() == resume_rules().size());
}

BOOST_AUTO_TEST_CASE(changes_are_named_with_both_values) {
  const auto changes =
      option_changes(R"({"lr": 1e-3, "seed": 1, "eval-text": null, "order": "shuffle", "gone": 1})",
                     R"({"lr": 2e-3, "seed": 1, "eval-text": "t", "order": "sequential", "new": 2})");
  BOOST_REQUIRE_EQUAL(changes.size(), 3u);
  BOOST_TEST(changes[0].option == "order");
  BOOST_TEST((changes[0].rule == OnResume::identity));
  BOOST_TEST(changes[1].option == "lr");
  BOOST_TEST(changes[1].saved == "0.001");
  BOOST_TEST(changes[1].now == "0.002");
  BOOST_TEST(changes[2].saved == "not set");
  BOOST_TEST(option_changes("{}", "{\"lr\": 1}").empty());
  BOOST_TEST(option_changes("no json", "{\"lr\": 1}").empty());
}

BOOST_AUTO_TEST_CASE(ordinary_settings_are_not_suspicious) {
  const TrainOptions o = quiet();
  const KdCacheInfo cache = large_cache();
  const auto all = suspicions({o, cache});
  BOOST_TEST(all.empty(), (all.empty() ? "" : all.front().problem));
}

BOOST_AUTO_TEST_CASE(what_hidden_states_give_is_for_any_temperature) {
  TrainOptions o = quiet();
  o.kd_objective = objective_named("exact");
  KdCacheInfo cache = large_cache();
  cache.lse_train_temperature = o.temperature + 1;
  const auto all = suspicions({o, cache});
  BOOST_TEST(all.empty(), (all.empty() ? "" : all.front().problem));
}

BOOST_AUTO_TEST_CASE(each_suspicious_setting_is_told) {
  using Change = std::function<void(TrainOptions&, KdCacheInfo&, SuspicionFacts&)>;
  const struct {
    const char* part;
    Change change;
  } cases[] = {
      {"warm-up of 1000 steps", [](auto& o, auto&, auto&) { o.warmup_steps = 1000; }},
      {"warm-up of 5000 steps", [](auto& o, auto&, auto&) { o.warmup_steps = 5000; }},
      {"--lr 0 trains nothing", [](auto& o, auto&, auto&) { o.lr = 0; }},
      {"--lr 5 is far above", [](auto& o, auto&, auto&) { o.lr = 5; }},
      {"--lr 5e-10 is too small", [](auto& o, auto&, auto&) { o.lr = 5e-10; }},
      {"--clip-grad-norm", [](auto& o, auto&, auto&) { o.clip_grad_norm = 1e-6; }},
      {"--weight-decay", [](auto& o, auto&, auto&) { o.weight_decay = 1; }},
      {"reads the cache 800 times",
       [](auto& o, auto& c, auto&) {
         o.batch_size = 8;
         c.sequences = 10;
       }},
      {"no step is left",
       [](auto&, auto&, auto& f) {
         f.resumes = true;
         f.done_steps = 1000;
       }},
      {"--batch-size 8 is more than the cache's 7", [](auto&, auto& c, auto&) { c.sequences = 7; }},
      {"one step reads 24 rows",
       [](auto& o, auto& c, auto&) {
         c.sequences = 16;
         o.accumulation_steps = 3;
       }},
      {"some ranks have nothing", [](auto&, auto&, auto& f) { f.ranks = 16; }},
      {"the last rank has less", [](auto&, auto&, auto& f) { f.ranks = 3; }},
      {"at temperature 3", [](auto&, auto& c, auto&) { c.lse_train_temperature = 3; }},
      {"--temperature 100",
       [](auto& o, auto& c, auto&) {
         o.temperature = 100;
         c.lse_train_temperature = 0;
       }},
      {"hard weights", [](auto& o, auto&, auto&) { o.hard_top1 = 100; }},
      {"--eval-samples 20000",
       [](auto& o, auto&, auto&) {
         o.eval_samples = 20000;
         o.given.push_back("eval-samples");
       }},
      {"--save-steps 2000",
       [](auto& o, auto&, auto&) {
         o.save_steps = 2000;
         o.given.push_back("save-steps");
       }},
      {"--eval-steps 2000",
       [](auto& o, auto&, auto&) {
         o.eval_steps = 2000;
         o.given.push_back("eval-steps");
       }},
      {"no step is logged",
       [](auto& o, auto&, auto&) {
         o.logging_steps = 2000;
         o.given.push_back("logging-steps");
       }},
      {"emulated",
       [](auto&, auto&, auto& f) {
         f.bf16 = true;
         f.fast_bf16 = false;
       }},
      {"--min-lr-ratio has no effect",
       [](auto& o, auto&, auto&) {
         o.constant_lr = true;
         o.given.push_back("min-lr-ratio");
       }},
      {"--hard-top1 has no effect",
       [](auto& o, auto&, auto&) {
         o.no_full_logits = true;
         o.given.push_back("hard-top1");
       }},
      {"--sampled-negatives has no effect",
       [](auto& o, auto&, auto&) { o.given.push_back("sampled-negatives"); }},
      {"--fast-init has no effect",
       [](auto& o, auto&, auto&) {
         o.v2_checkpoint = std::string("x");
         o.given.push_back("fast-init");
       }},
      {"--expand-rank has no effect", [](auto& o, auto&, auto&) { o.given.push_back("expand-rank"); }},
      {"--svd-floor has no effect",
       [](auto& o, auto&, auto&) {
         o.fast_init = true;
         o.given.push_back("svd-floor");
       }},
      {"--freeze-mags-mlp has no effect",
       [](auto& o, auto&, auto&) {
         o.freeze_mags = true;
         o.given.push_back("freeze-mags-mlp");
       }},
      {"--mixed-precision has no effect",
       [](auto& o, auto&, auto&) {
         o.precision = Precision::fp32;
         o.given.push_back("mixed-precision");
       }},
      {"--model-revision has no effect",
       [](auto& o, auto&, auto&) {
         o.model_id = test::golden("nano").string();
         o.given.push_back("model-revision");
       }},
      {"--teacher-revision has no effect",
       [](auto& o, auto&, auto&) { o.given.push_back("teacher-revision"); }},
      {"--teacher-revision has no effect on a local teacher",
       [](auto& o, auto&, auto&) {
         o.teacher_model = test::golden("nano").string();
         o.given.push_back("teacher-revision");
       }},
      {"--eval-ctx has no effect", [](auto& o, auto&, auto&) { o.given.push_back("eval-ctx"); }},
      {"--patience has no effect",
       [](auto& o, auto&, auto&) {
         o.eval_steps = 0;
         o.given.push_back("patience");
       }},
      {"--memory-limit has no effect",
       [](auto& o, auto&, auto& f) {
         f.on_gpu = true;
         o.given.push_back("memory-limit");
       }},
      {"--keep-checkpoints has no effect",
       [](auto& o, auto&, auto&) { o.given.push_back("keep-checkpoints"); }},
      {"--seed has no effect",
       [](auto& o, auto&, auto&) {
         o.order = OrderKind::sequential;
         o.given.push_back("seed");
       }},
  };
  for (const auto& c : cases) {
    TrainOptions o = quiet();
    KdCacheInfo cache = large_cache();
    SuspicionFacts facts{o, cache};
    c.change(o, cache, facts);
    BOOST_TEST(told(facts, c.part), c.part);
  }
}

BOOST_AUTO_TEST_CASE(each_option_without_effect_is_an_option) {
  TrainOptions o;
  std::vector<std::string> names = make_train_table(o).names();
  TrainOptions v1 = v1_defaults();
  for (const std::string& name : make_train_v1_table(v1).names()) names.push_back(name);
  for (const auto& row : train_option_effects())
    BOOST_TEST((std::find(names.begin(), names.end(), row.option) != names.end()), row.option);
}

BOOST_AUTO_TEST_CASE(what_is_trained_is_known_beforehand) {
  const ModelFiles files = load_model_files(test::golden("nano"));
  TrainOptions o;
  o.v2_checkpoint = test::golden("nano/v2_q2a4_init.pt").string();
  for (bool TrainOptions::*flag :
       {&TrainOptions::from_scratch, &TrainOptions::g_only, &TrainOptions::mlp_only, &TrainOptions::attn_only,
        &TrainOptions::freeze_mags, &TrainOptions::freeze_mags_mlp, &TrainOptions::train_norms_only}) {
    TrainOptions chosen = o;
    chosen.*flag = true;
    Student student = test::open_student(files, *chosen.v2_checkpoint);
    const std::int64_t trained = select_trained(student, chosen).parameters->numel();
    const SourcePlan plan = plan_source(chosen, files.architecture, {});
    BOOST_TEST(plan.trained_values == trained);
    BOOST_TEST((plan.quant.spec == student.spec()));
  }
}

BOOST_AUTO_TEST_CASE(a_state_of_an_earlier_version_goes_on_with_its_model) {
  const ModelFiles model = load_model_files(test::golden("nano"));
  const auto check = [&](const std::string& saved) {
    SavedState state;
    state.folder = "out/state/step_00000004";
    state.trainer_json = nlohmann::json{{"identity", {{"model", saved}, {"seed", 1}}},
                                        {"options", {{"model-id", "the/model"}}}}
                             .dump();
    const std::string identity = nlohmann::json{{"model", model.fingerprint}, {"seed", 1}}.dump();
    check_resumed_options(state, quiet(), "{}", {}, identity, model);
  };
  BOOST_CHECK_NO_THROW(check(model.fingerprint));
  BOOST_CHECK_NO_THROW(check(model.first_fingerprint));
  for (const std::string& other : {std::string(64, 'a'), "2:" + std::string(64, 'a')}) {
    BOOST_CHECK_EXCEPTION(check(other), Error, [&](const Error& e) {
      const std::string text = e.what();
      return e.code() == ExitCode::usage && text.find("the/model") != std::string::npos &&
             text.find("content " + other.substr(0, 12)) != std::string::npos;
    });
  }
}

BOOST_AUTO_TEST_CASE(rows_that_teach_nothing_leave_the_batch) {
  KdBatch b;
  b.rows = 4;
  b.length = 3;
  b.positions = 2;
  b.topk = 2;
  for (std::int32_t row = 0; row < 4; ++row) {
    std::ranges::fill(b.extend(kd::input_ids, 3), row);
    std::ranges::fill(b.extend(kd::topk_idx, 4), 10 + row);
    std::ranges::fill(b.extend(kd::topk_logits, 4), static_cast<std::uint16_t>(row));
    std::ranges::fill(b.extend(kd::lse_t1, 2), static_cast<float>(row));
  }
  std::ranges::copy(std::vector<std::uint8_t>{1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1},
                    b.extend(kd::attention_mask, 12).begin());
  b.row_ids = {7, 8, 9, -1};
  KdBatch copy = b;
  const auto values = [](auto span) { return std::vector(span.begin(), span.end()); };
  keep_supervised(copy);
  BOOST_TEST(copy.rows == 2);
  BOOST_TEST(values(copy[kd::input_ids]) == (std::vector<std::int32_t>{1, 1, 1, 2, 2, 2}),
             boost::test_tools::per_element());
  BOOST_TEST(values(copy[kd::topk_idx]) == (std::vector<std::int32_t>{11, 11, 11, 11, 12, 12, 12, 12}),
             boost::test_tools::per_element());
  BOOST_TEST(values(copy[kd::lse_t1]) == (std::vector<float>{1, 1, 2, 2}), boost::test_tools::per_element());
  BOOST_TEST(copy.row_ids == (std::vector<std::int64_t>{8, 9}), boost::test_tools::per_element());
  BOOST_TEST(copy[kd::rand_idx].empty());

  // Nothing left: one row without weight, over which attention stays finite.
  b.row_ids = {-1, -1, -1, -1};
  keep_supervised(b);
  BOOST_TEST(b.rows == 1);
  BOOST_TEST(b.is_missing(0));
  BOOST_TEST(values(b[kd::attention_mask]) == (std::vector<std::uint8_t>{1, 1, 1}),
             boost::test_tools::per_element());
  BOOST_TEST(to_tensors(b, at::kCPU).targets.weight.sum().item<float>() == 0);
}

BOOST_AUTO_TEST_SUITE_END()
