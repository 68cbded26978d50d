// The trainer's table: the names and defaults that users rely on, and that the files in configs/ are read by
// it.
#include "anemll/core/error.hpp"
#include "anemll/train/train_options.hpp"
#include "src/calib/token_weights.hpp"
#include "src/solve/solve.hpp"
#include "tests/support/choice_checks.hpp"
#include "tests/support/temp_dir.hpp"

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

TrainOptions parse(std::vector<const char*> arguments) {
  TrainOptions options;
  OptionTable table = make_train_table(options);
  arguments.insert(arguments.begin(), "anemll_train");
  table.parse(static_cast<int>(arguments.size()), arguments.data());
  check_train_options(options);
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(train_options)

BOOST_AUTO_TEST_CASE(names_are_frozen) {
  const char* const names[] = {"v1-checkpoint",
                               "v2-checkpoint",
                               "from-scratch",
                               "cache-dir",
                               "output-dir",
                               "model-id",
                               "model-revision",
                               "teacher-revision",
                               "max-steps",
                               "lr",
                               "batch-size",
                               "save-steps",
                               "state-steps",
                               "inspect-steps",
                               "g-only",
                               "mlp-only",
                               "hard-top1",
                               "hard-full",
                               "wandb",
                               "wandb-project",
                               "wandb-run",
                               "tensorboard",
                               "sample-prompts",
                               "sample-tokens",
                               "dtype",
                               "mixed-precision",
                               "config",
                               "mlp-lut",
                               "mlp-rank",
                               "attn-lut",
                               "attn-rank",
                               "expand-rank",
                               "group-size",
                               "fast-init",
                               "temperature",
                               "hard-top1-end",
                               "warmup-steps",
                               "constant-lr",
                               "min-lr-ratio",
                               "eval-steps",
                               "eval-samples",
                               "freeze-mags",
                               "freeze-mags-mlp",
                               "freeze-all",
                               "upload",
                               "attn-only",
                               "train-norms-only",
                               "keep-checkpoints",
                               "clip-grad-norm",
                               "weight-decay",
                               "accumulation-steps",
                               "gradient-checkpointing",
                               "no-full-logits",
                               "kd-objective",
                               "eval-text",
                               "eval-ctx",
                               "eval-chunks",
                               "eval-text-always",
                               "teacher-model",
                               "sampled-ce-weight",
                               "sampled-negatives",
                               "logging-steps",
                               "precision",
                               "seed",
                               "order",
                               "forward",
                               "ste",
                               "resume",
                               "threads",
                               "svd-floor",
                               "patience",
                               "max-time",
                               "memory-limit",
                               "force",
                               "trace",
                               "init-timeout",
                               "step-timeout",
                               "work-timeout",
                               "straggler-steps",
                               "check-replicas",
                               "dry-run"};
  TrainOptions options;
  const std::vector<std::string> have = make_train_table(options).names();
  for (const char* name : names) BOOST_TEST((std::find(have.begin(), have.end(), name) != have.end()), name);
}

BOOST_AUTO_TEST_CASE(defaults_are_the_users_document) {
  const TrainOptions o = parse({"--from-scratch", "--cache-dir", "x"});
  BOOST_TEST(o.model_id == "Qwen/Qwen3-0.6B");
  BOOST_TEST(o.output_dir == "runs/v2_output");
  BOOST_TEST(o.max_steps == 1000);
  BOOST_TEST(o.batch_size == 8);
  BOOST_TEST(o.lr == 5e-5);
  BOOST_TEST(o.hard_top1 == 0.2);
  BOOST_TEST(o.hard_full == 5e-5);
  BOOST_TEST((o.kd_objective == objective_named("topk")));
  BOOST_TEST(o.model_revision == "main");
  BOOST_TEST(!o.eval_text.has_value());
  BOOST_TEST(o.eval_ctx == 512);
  BOOST_TEST(o.temperature == 2.0);
  BOOST_TEST(o.warmup_steps == 100);
  BOOST_TEST(o.min_lr_ratio == 0.1);
  BOOST_TEST(o.eval_steps == 100);
  BOOST_TEST(o.eval_samples == 40);
  BOOST_TEST(o.logging_steps == 20);
  BOOST_TEST(o.save_steps == 0);
  BOOST_TEST(o.clip_grad_norm == 1.0);
  BOOST_TEST(o.weight_decay == 0.0);
  BOOST_TEST(o.group_size == 32);
  BOOST_TEST(o.mixed_precision);
  BOOST_TEST(o.resume == "none");
}

BOOST_AUTO_TEST_CASE(v1_has_the_names_and_defaults_of_its_reference) {
  TrainOptions o = v1_defaults();
  OptionTable table = make_train_v1_table(o);
  const std::vector<std::string> have = table.names();
  for (const char* name : {"model-id",
                           "init-state",
                           "output-dir",
                           "device",
                           "dtype",
                           "lut-size",
                           "group-size",
                           "scale-rank",
                           "quantize-attn",
                           "attn-lut-size",
                           "attn-group-size",
                           "attn-scale-rank",
                           "train-weights",
                           "train-scales",
                           "max-steps",
                           "batch-size",
                           "lr",
                           "temperature",
                           "logging-steps",
                           "eval-steps",
                           "eval-samples",
                           "snap-weights",
                           "snap-bake-scales",
                           "skip-training"})
    BOOST_TEST((std::find(have.begin(), have.end(), name) != have.end()), name);
  BOOST_TEST(o.output_dir == "runs/anemll_qat");
  BOOST_TEST((o.dtype == RunDtype::bf16));
  BOOST_TEST(o.max_steps == 1000);
  BOOST_TEST(o.batch_size == 32);
  BOOST_TEST(o.lr == 1e-5);
  BOOST_TEST(o.constant_lr);
  BOOST_TEST(o.warmup_steps == 0);
  BOOST_TEST(o.temperature == 2.0);
  BOOST_TEST(o.hard_top1 == 0.0);
  BOOST_TEST(o.hard_full == 5e-4);
  BOOST_TEST(o.logging_steps == 50);
  BOOST_TEST(o.eval_steps == 200);
  BOOST_TEST(o.eval_samples == 40);
  BOOST_TEST(o.clip_grad_norm == 1.0);
  BOOST_TEST(o.weight_decay == 0.0);
  BOOST_TEST(o.group_size == 32);
  BOOST_TEST(o.v1->lut_size == 16);
  BOOST_TEST(o.v1->scale_rank == 4);
  BOOST_TEST(!o.v1->quantize_attn);
  const char* words[] = {"program", "--kd-cache-dir",     "x",    "--hard-top1-weight",
                         "0.5",     "--hard-full-weight", "0.25", "--train-scales"};
  BOOST_REQUIRE((table.parse(8, words, false) == OptionTable::Outcome::run));
  BOOST_TEST(o.cache_dir == "x");
  BOOST_TEST(o.hard_top1 == 0.5);
  BOOST_TEST(o.hard_full == 0.25);
  settle_v1_source(o);
  BOOST_TEST(o.from_scratch);
  BOOST_CHECK_NO_THROW(check_train_options(o));
  o.v1->train_scales = false;
  BOOST_CHECK_THROW(check_train_options(o), Error);
}

BOOST_AUTO_TEST_CASE(an_init_state_is_a_file_or_a_folder_that_holds_one) {
  const test::TempDir folder;
  TrainOptions o = v1_defaults();
  o.v1->init_state = folder.path().string();
  BOOST_CHECK_THROW(settle_v1_source(o), Error);
  write_file(folder / "best_state_dict.pt", "x");
  settle_v1_source(o);
  BOOST_TEST(*o.v2_checkpoint == (folder / "best_state_dict.pt").string());
  BOOST_TEST(!o.from_scratch);
  write_file(folder / "model_state_dict.pt", "x");
  settle_v1_source(o);
  BOOST_TEST(*o.v2_checkpoint == (folder / "model_state_dict.pt").string());
  o.v1->init_state = "some/file.pt";
  settle_v1_source(o);
  BOOST_TEST(*o.v2_checkpoint == "some/file.pt");

  TrainOptions v2 = parse({"--cache-dir", "x", "--v1-checkpoint", folder.path().c_str()});
  settle_v1_source(v2);
  BOOST_TEST(*v2.v1_checkpoint == (folder / "model_state_dict.pt").string());
  BOOST_TEST((v2.source_file() == v2.v1_checkpoint));
  BOOST_TEST(!v2.v2_checkpoint.has_value());
}

BOOST_AUTO_TEST_CASE(contradictions_are_usage_errors) {
  BOOST_CHECK_THROW(parse({"--cache-dir", "x"}), Error);
  BOOST_CHECK_THROW(parse({"--cache-dir", "x", "--from-scratch", "--v2-checkpoint", "y"}), Error);
  BOOST_CHECK_THROW(parse({"--cache-dir", "x", "--from-scratch", "--v1-checkpoint", "y"}), Error);
  BOOST_CHECK_THROW(parse({"--cache-dir", "x", "--v1-checkpoint", "y", "--v2-checkpoint", "y"}), Error);
  BOOST_CHECK_NO_THROW(parse({"--cache-dir", "x", "--v1-checkpoint", "y"}));
  BOOST_CHECK_THROW(parse({"--cache-dir", "x", "--from-scratch", "--mlp-only", "--attn-only"}), Error);
  BOOST_CHECK_THROW(parse({"--cache-dir", "x", "--from-scratch", "--g-only", "--freeze-mags"}), Error);
  BOOST_CHECK_THROW(parse({"--cache-dir", "x", "--from-scratch", "--train-norms-only", "--g-only"}), Error);
  BOOST_CHECK_NO_THROW(parse({"--cache-dir", "x", "--from-scratch", "--freeze-all"}));
  BOOST_CHECK_NO_THROW(parse({"--from-scratch", "--freeze-all"}));  // it reads no cache
  BOOST_CHECK_THROW(parse({"--from-scratch"}), Error);
  BOOST_CHECK_NO_THROW(parse({"--cache-dir", "x", "--from-scratch", "--init", "cd"}));
  BOOST_CHECK_THROW(parse({"--cache-dir", "x", "--v2-checkpoint", "y", "--init", "cd"}), Error);
  BOOST_CHECK_THROW(parse({"--from-scratch", "--freeze-all", "--init", "cd"}), Error);
  BOOST_CHECK_THROW(parse({"--cache-dir", "x", "--freeze-all"}), Error);
  BOOST_CHECK_THROW(parse({"--cache-dir", "x", "--from-scratch", "--freeze-all", "--g-only"}), Error);
  BOOST_CHECK_THROW(parse({"--cache-dir", "x", "--freeze-all", "--resume", "auto"}), Error);
  BOOST_TEST(!parse({"--cache-dir", "x", "--from-scratch"}).wandb);
  BOOST_CHECK_EXCEPTION(parse({"--cache-dir", "x", "--from-scratch", "--upload"}), Error, [](const Error& e) {
    return e.hint().find("launch/save_to_drive.sh") != std::string::npos;
  });
  BOOST_CHECK_NO_THROW(parse({"--cache-dir", "x", "--resume", "auto"}));
  BOOST_TEST(!parse({"--cache-dir", "x", "--from-scratch", "--no-mixed-precision"}).mixed_precision);
}

BOOST_AUTO_TEST_CASE(every_choice_keeps_its_word) {
  const test::ProgramTable<TrainOptions> program{make_train_table, {"--cache-dir", "x"}};
  const std::set<std::string> checked = {
      check_choice(program, "order", &TrainOptions::order),
      check_choice(program, "dataset_format", [](const TrainOptions& o) { return o.dataset.format; }),
      check_choice(program, "svd-floor", &TrainOptions::svd_floor),
      check_choice(program, "kd-objective", &TrainOptions::kd_objective),
      check_choice(program, "forward", &TrainOptions::forward),
      check_choice(program, "ste", &TrainOptions::ste),
      check_choice(program, "precision", &TrainOptions::precision),
      check_choice(program, "dtype", &TrainOptions::dtype),
      check_choice(program, "device", &TrainOptions::device),
      check_choice(program, "backend", &TrainOptions::backend),
      check_choice(program, "stage", &TrainOptions::stage),
      check_choice(program, "best-by", &TrainOptions::best_by),
      check_choice(program, "init", [](const TrainOptions& o) { return o.start.init; }),
      check_choice(program, "token-weight", [](const TrainOptions& o) { return o.start.token_weight; }),
  };
  TrainOptions options;
  const std::set<std::string> all = test::choices_in(make_train_table(options));
  BOOST_TEST(checked == all, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(config_files_are_read) {
  const std::filesystem::path folder = test::golden("").parent_path().parent_path().parent_path() / "configs";
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".ini") continue;
    const std::string file = entry.path().string();
    BOOST_CHECK_NO_THROW(parse({"--config-file", file.c_str(), "--from-scratch", "--cache-dir", "x"}));
    ++files;
  }
  BOOST_TEST(files > 0);
}

BOOST_AUTO_TEST_SUITE_END()
