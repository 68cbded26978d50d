// Settings that a user would not notice: suspicious ones are told, changed ones on resume too, those without
// effect are refused; rows that teach nothing; paths that are found again.
#include "tests/support/nano_cache.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_checks.hpp"
#include "tests/support/tool_run.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;

namespace {

constexpr int kRows = 64;  // of the nano cache

std::string model() {
  return test::golden("nano").string();
}
std::string cache() {
  return test::golden("nano/cache").string();
}

std::string command(const fs::path& out, const std::string& flags, const std::string& cache_dir = cache()) {
  return test::bin("anemll_train") + " --model-id " + model() + " --cache-dir " + cache_dir +
         " --output-dir " + out.string() + " --precision fp32 --threads 1 " + flags;
}
std::string from_checkpoint(const std::string& flags = "") {
  return "--v2-checkpoint " + test::golden("nano/v2_q2a4_init.pt").string() +
         " --batch-size 4 --eval-samples 4 --warmup-steps 1 " + flags;
}

nlohmann::json config_of(const fs::path& out) {
  return nlohmann::json::parse(test::read_all(out / "config.json"));
}
std::string parameters(const fs::path& out, const std::string& step) {
  return test::read_all(out / "state" / step / "parameters.safetensors");
}
/// Lines of kind `kind` of metrics.jsonl.
std::vector<nlohmann::json> lines(const fs::path& out, const std::string& kind) {
  std::vector<nlohmann::json> found;
  std::ifstream file(out / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    auto object = nlohmann::json::parse(line);
    if (object.at("kind") == kind) found.push_back(std::move(object));
  }
  return found;
}

/// The nano cache with the masks of `rows` closed behind the first token.
void write_masked_cache(const fs::path& folder, const std::vector<int>& rows) {
  test::write_changed_nano_cache(folder, [&](int shard, const std::string& name, anemll::HostTensor& tensor) {
    if (name != "attention_mask") return;
    const auto n = static_cast<int>(tensor.shape[0]);
    const std::size_t row_bytes = tensor.bytes() / static_cast<std::size_t>(n);
    const std::size_t width = row_bytes / static_cast<std::size_t>(tensor.shape[1]);
    for (const int row : rows) {
      if (row < shard * kRows / 2 || row >= (shard + 1) * kRows / 2) continue;
      auto* bytes = reinterpret_cast<unsigned char*>(tensor.mutable_bytes());
      bytes += static_cast<std::size_t>(row - shard * kRows / 2) * row_bytes;
      std::fill(bytes + width, bytes + row_bytes, 0);
    }
  });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(settings)

BOOST_AUTO_TEST_CASE(suspicious_settings_are_told_by_a_dry_run) {
  const test::TempDir out;
  expect(test::run(command(out / "a",
                           "--from-scratch --dry-run --max-steps 10 --warmup-steps 10 --batch-size 100 "
                           "--eval-samples 500 --save-steps 20 --accumulation-steps 2 --temperature 50 "
                           "--sampled-negatives 5 --keep-checkpoints 2")),
         0,
         {"warning", "the warm-up of 10 steps is not over when the run of 10 ends",
          "--batch-size 100 is more than the cache's 64 sequences", "--eval-samples 500 is more than",
          "--save-steps 20 is more than the run's 10 steps", "one step reads 128 rows of a cache of 64",
          "--temperature 50", "--sampled-negatives has no effect", "Memory per rank"});
  expect(test::run(command(out / "b", "--from-scratch --dry-run --lr 0")), 0, {"--lr 0 trains nothing"});
  expect(test::run(command(out / "c", "--from-scratch --dry-run --lr 5")), 0, {"--lr 5 is far above"});
  const auto fine = test::run(command(out / "d",
                                      "--from-scratch --dry-run --max-steps 100 --warmup-steps 10 "
                                      "--batch-size 4 --eval-samples 8"));
  expect(fine, 0, {});
  BOOST_TEST(!says(fine, "warning"), fine.output);
}

BOOST_AUTO_TEST_CASE(who_sums_gradients_is_told_where_it_was_asked_or_matters) {
  const test::TempDir out;
  const std::string base = "--from-scratch --dry-run --batch-size 4 --eval-samples 8 --max-steps 100 ";
  const auto silent = test::run(command(out / "a", base));
  expect(silent, 0, {});
  BOOST_TEST(!says(silent, "gradients are summed"), silent.output);
  for (const char* name : {"mpi", "auto"})
    expect(test::run(command(out / "b", base + "--backend " + name)), 0,
           {"gradients are summed by nobody: there is one rank, and nothing to sum"});
  expect(test::run(command(out / "c", base + "--device cpu --backend nccl")), 2,
         {"NCCL sums memory of GPUs", "--backend nccl", "hint: use --backend auto"});
  expect(test::run(test::mpirun(2, command(out / "d", base))), 0,
         {"gradients are summed by mpi: the ranks compute on CPUs"});
  expect(test::run(test::mpirun(2, command(out / "e", base + "--backend mpi"))), 0,
         {"gradients are summed by mpi: --backend says so"});
}

// Minutes of scale init for a large model, of which nothing that is told or checked depends.
BOOST_AUTO_TEST_CASE(a_dry_run_from_scratch_builds_no_student) {
  const test::TempDir out;
  const auto plan = test::run(command(out / "a", "--from-scratch --dry-run --group-size 2 --mlp-rank 3"));
  expect(plan, 0, {"Memory per rank", "rank 3", "group 2"});
  BOOST_TEST(!says(plan, "scale init"), plan.output);
  // What it is for is still found.
  std::vector<int> first(8);
  std::iota(first.begin(), first.end(), 0);
  write_masked_cache(out / "cache", first);
  expect(test::run(command(out / "b", "--from-scratch --dry-run --eval-samples 8", (out / "cache").string())),
         3, {"none of the first 8 sequences has a supervised token"});
  expect(test::run(command(out / "c", "--from-scratch --dry-run --config q9a9")), 2, {"no preset 'q9a9'"});
  expect(
      test::run(command(out / "d", "--dry-run --v2-checkpoint " + test::golden("nano/config.json").string())),
      3, {"config.json"});
}

BOOST_AUTO_TEST_CASE(a_plan_larger_than_the_memory_is_told_before_the_model_is_built) {
  const test::TempDir out;
  // One row of 32 tokens times 64 rows; the chunk of logits and everything else stay small, ranks do not.
  const auto result = test::run(command(out / "a", "--from-scratch --dry-run --batch-size 64"));
  expect(result, 0, {"Memory per rank"});
  BOOST_TEST(result.output.find("Memory per rank") < result.output.find("scale init"), result.output);
}

BOOST_AUTO_TEST_CASE(padding_is_not_computed) {
  const test::TempDir whole, padded;
  const std::string flags = from_checkpoint() + "--eval-samples 0 --max-steps 3 --logging-steps 1 ";
  BOOST_REQUIRE_EQUAL(test::run(command(whole.path(), flags + "--batch-size 64")).code, 0);
  const auto result = test::run(command(padded.path(), flags + "--batch-size 4096"));
  expect(result, 0, {"--batch-size 4096 is more than the cache's 64 sequences"});
  BOOST_TEST(parameters(whole.path(), "step_00000003") == parameters(padded.path(), "step_00000003"));
  // Nor counted: the same work at the same pace. Padding would make it 64 times as much.
  constexpr double kNoise = 8;  // between steps beside other work
  double fastest = 0, slowest = std::numeric_limits<double>::infinity();
  for (const auto& step : lines(whole.path(), "train"))
    fastest = std::max(fastest, step.at("tokens_per_s").get<double>());
  for (const auto& step : lines(padded.path(), "train"))
    slowest = std::min(slowest, step.at("tokens_per_s").get<double>());
  BOOST_TEST(fastest > 0);
  BOOST_TEST(slowest < kNoise * fastest);
}

BOOST_AUTO_TEST_CASE(resume_tells_what_is_new_and_refuses_what_has_no_effect) {
  const test::TempDir out;
  const std::string start = "--from-scratch --group-size 2 --batch-size 4 --eval-samples 4 --warmup-steps 1 ";
  BOOST_REQUIRE_EQUAL(test::run(command(out.path(), start + "--max-steps 2 --lr 5e-4")).code, 0);
  const std::string again = "--batch-size 4 --eval-samples 4 --resume auto --max-steps 3 ";
  expect(test::run(command(out.path(), again + "--group-size 4")), 2,
         {"only the start", "group-size: 2 -> 4"});
  expect(test::run(command(out.path(), again + "--svd-floor none")), 2, {"svd-floor: reference -> none"});
  expect(test::run(command(out.path(), again + "--fast-init")), 2, {"fast-init: false -> true"});
  expect(test::run(command(out.path(), again + "--config q4a4")), 2, {"config: MLP 4 entries"});
  expect(test::run(command(out.path(), again + "--mlp-rank 7")), 2, {"mlp-rank: 32 -> 7"});
  expect(test::run(
             command(out.path(), again + "--v2-checkpoint " + test::golden("nano/v2_q2a4_init.pt").string())),
         2, {"v2-checkpoint: not set -> "});
  expect(test::run(command(out.path(), again + "--temperature 3 --seed 4")), 2,
         {"other settings than the run's own", "temperature: 2 -> 3", "seed: 0 -> 4"});
  expect(test::run(command(out.path(), again + "--lr 1e-4 --clip-grad-norm 0.5")), 0,
         {"options that differ from the saved run", "lr: 0.0005 -> 0.0001", "max-steps: 2 -> 3",
          "clip-grad-norm: 1 -> 0.5", "warmup-steps: 1 -> 100"});
  // The same words again are no contradiction.
  expect(test::run(command(out.path(), start + "--config q2a4 --resume auto --max-steps 4")), 0,
         {"max-steps: 3 -> 4"});
  BOOST_TEST(config_of(out.path()).at("group_size") == 2);
}

BOOST_AUTO_TEST_CASE(another_cache_or_model_on_resume_is_named) {
  const test::TempDir out;
  BOOST_REQUIRE_EQUAL(test::run(command(out / "run", from_checkpoint("--max-steps 1"))).code, 0);
  write_masked_cache(out / "other", {3});
  const auto result = test::run(
      command(out / "run", from_checkpoint("--max-steps 2 --resume auto"), (out / "other").string()));
  expect(result, 2, {"cache: " + cache() + " (content ", " -> " + (out / "other").string() + " (content "});
  // The same architecture with other weights: the last value of the file is another one.
  fs::create_directories(out / "nano");
  for (const char* name : {"config.json", "tokenizer.json", "tokenizer_config.json"})
    fs::copy_file(test::golden("nano") / name, out / "nano" / name);
  std::string weights = test::read_all(test::golden("nano/model.safetensors"));
  weights[weights.size() - 2] = static_cast<char>(weights[weights.size() - 2] ^ 1);
  std::ofstream(out / "nano/model.safetensors", std::ios::binary) << weights;
  expect(test::run(command(out / "run", from_checkpoint("--max-steps 2 --resume auto --model-id " +
                                                        (out / "nano").string()))),
         2, {"model: ", " -> " + (out / "nano").string() + " (content "});
}

BOOST_AUTO_TEST_CASE(group_size_comes_from_the_source) {
  const test::TempDir out;
  BOOST_REQUIRE_EQUAL(
      test::run(command(out / "first",
                        "--from-scratch --group-size 2 --max-steps 1 --batch-size 4 --eval-samples 0"))
          .code,
      0);
  const std::string source = "--v2-checkpoint " + (out / "first/best_state_dict.pt").string() +
                             " --max-steps 1 --batch-size 4 --eval-samples 0 ";
  expect(test::run(command(out / "second", source)), 0, {"group 2"});
  BOOST_TEST(config_of(out / "second").at("group_size") == 2);
  expect(test::run(command(out / "third", source + "--group-size 16")), 2,
         {"--group-size 16", "groups of 2"});
  BOOST_TEST(!fs::exists(out / "third/state"));
  expect(test::run(command(out / "fourth", source + "--group-size 2")), 0, {});
}

BOOST_AUTO_TEST_CASE(a_step_without_supervision_updates_nothing) {
  const test::TempDir dir;
  write_masked_cache(dir / "masked", {1, 2, 3, 4, 5});
  const auto result = test::run(command(
      dir / "out", from_checkpoint("--batch-size 1 --order sequential --max-steps 8 --logging-steps 1"),
      (dir / "masked").string()));
  expect(result, 0, {"step 2: none of its sequences has a supervised token", "step 4:", "counted, not told"});
  BOOST_TEST(!says(result, " nan"), result.output);
  BOOST_TEST(!says(result, "-nan"), result.output);
  BOOST_TEST(!says(result, "skipped:"), result.output);
  const auto steps = lines(dir / "out", "train");
  BOOST_REQUIRE_EQUAL(steps.size(), 3u);  // 1, 7, 8
  BOOST_TEST(steps[1].at("step") == 7);
  BOOST_TEST(lines(dir / "out", "summary").at(0).at("summary").at("steps_without_supervision") == 5);
  // Neither weights nor moments move between steps 3 and 6.
  const auto saved = test::run(command(
      dir / "saved",
      from_checkpoint(
          "--batch-size 1 --order sequential --max-steps 6 --save-steps 3 --constant-lr --eval-steps 0"),
      (dir / "masked").string()));
  BOOST_REQUIRE_MESSAGE(saved.code == 0, saved.output);
  BOOST_REQUIRE(fs::exists(dir / "saved/state/step_00000003"));
  for (const char* file : {"parameters.safetensors", "optimizer.safetensors"})
    BOOST_TEST(test::read_all(dir / "saved/state/step_00000003" / file) ==
                   test::read_all(dir / "saved/state/step_00000006" / file),
               file);
}

BOOST_AUTO_TEST_CASE(evaluation_leaves_rows_without_supervision_out) {
  const test::TempDir dir;
  write_masked_cache(dir / "masked", {1, 2, 3});
  const std::string flags = from_checkpoint("--max-steps 1 --batch-size 8 ");
  const auto masked = test::run(command(dir / "a", flags + "--eval-samples 4", (dir / "masked").string()));
  expect(masked, 0, {"3 of the 4 first sequences of an evaluation have no supervised token"});
  BOOST_REQUIRE_EQUAL(test::run(command(dir / "b", flags + "--eval-samples 1")).code, 0);
  const double left = lines(dir / "a", "eval").at(0).at("loss"),
               right = lines(dir / "b", "eval").at(0).at("loss");
  BOOST_TEST(std::abs(left / right - 1) < 1e-5);
  expect(test::run(test::bin("anemll_cache") + " import " + (dir / "masked").string() + " " +
                   (dir / "h5").string() + " && " + test::bin("anemll_cache") + " verify " +
                   (dir / "h5").string()),
         0, {"3 sequences without a supervised token (rows 1, 2, 3)"});
}

BOOST_AUTO_TEST_CASE(a_cache_without_any_supervision_is_an_error) {
  const test::TempDir dir;
  std::vector<int> all(kRows);
  for (int i = 0; i < kRows; ++i) all[static_cast<std::size_t>(i)] = i;
  write_masked_cache(dir / "masked", all);
  expect(test::run(command(dir / "a", from_checkpoint("--max-steps 50"), (dir / "masked").string())), 3,
         {"none of the first 4 sequences has a supervised token", "hint"});
  expect(test::run(command(dir / "b", from_checkpoint("--max-steps 50 --batch-size 32 --eval-samples 0"),
                           (dir / "masked").string())),
         3, {"no sequence of the cache has a supervised token"});
}

BOOST_AUTO_TEST_CASE(a_relative_model_is_found_from_another_folder) {
  const test::TempDir dir;
  fs::create_directories(dir / "project/models");
  fs::create_directory_symlink(test::golden("nano"), dir / "project/models/nano");
  const auto trained = test::run("cd " + (dir / "project").string() + " && " + test::bin("anemll_train") +
                                 " --model-id models/nano --cache-dir " + cache() + " --output-dir runs/a " +
                                 from_checkpoint("--max-steps 1 --threads 1"));
  BOOST_REQUIRE_MESSAGE(trained.code == 0, trained.output);
  const std::string recorded = config_of(dir / "project/runs/a").at("model_id");
  BOOST_TEST(fs::path(recorded).is_absolute(), recorded);
  const auto snap = [&](const std::string& out) {
    return test::run("cd / && " + test::bin("anemll_snap") + " --checkpoint " +
                     (dir / "project/runs/a/best_state_dict.pt").string() + " --output " +
                     (dir / out).string());
  };
  expect(snap("s1"), 0, {});
  // As older versions and other tools wrote it.
  auto config = config_of(dir / "project/runs/a");
  config["model_id"] = "models/nano";
  std::ofstream(dir / "project/runs/a/config.json") << config.dump(2);
  expect(snap("s2"), 0, {});
  config["model_id"] = "./models/gone";
  std::ofstream(dir / "project/runs/a/config.json") << config.dump(2);
  expect(snap("s3"), 3, {"./models/gone", "--model-id"});
}

BOOST_AUTO_TEST_CASE(paths_that_are_not_utf8_are_refused_before_anything_is_written) {
  const test::TempDir dir;
  const std::string odd = (dir / "caf\xe9").string();
  expect(test::run(command("'" + odd + "'", from_checkpoint("--max-steps 1"))), 2,
         {"--output-dir", "caf\\xE9", "not UTF-8"});
  expect(test::run(test::bin("anemll_cache") + " import " + cache() + " '" + odd + "'"), 2, {"not UTF-8"});
  expect(test::run(test::bin("anemll_snap") + " --checkpoint '" + odd + "' --output x"), 2, {"not UTF-8"});
  BOOST_TEST(fs::is_empty(dir.path()));
}

BOOST_AUTO_TEST_CASE(the_number_of_threads_and_who_decided) {
  const test::TempDir dir;
  const std::string base = test::bin("anemll_train") + " --from-scratch --dry-run --model-id " + model() +
                           " --cache-dir " + cache() + " --output-dir " + (dir / "o").string();
  expect(test::run("OMP_NUM_THREADS=2 " + base), 0, {"threads per rank: 2 (OMP_NUM_THREADS)"});
  expect(test::run("OMP_NUM_THREADS=2 " + base + " --threads 1"), 0, {"threads per rank: 1 (--threads)"});
  expect(test::run("OMP_NUM_THREADS= taskset -c 0 " + base), 0, {"threads per rank: 1 (1 usable processor)"});
  expect(test::run("OMP_NUM_THREADS=none " + base), 0, {"OMP_NUM_THREADS=none is no number of threads"});
}

BOOST_AUTO_TEST_CASE(misspelt_variables_and_config_files) {
  const test::TempDir dir;
  std::ofstream(dir / "run.ini") << "\xef\xbb\xbf"
                                    "cache-dir = \""
                                 << cache() << "\"  # the nano cache\r\n"
                                 << "output-dir = '" << (dir / "run #1").string()
                                 << "'\r\nmodel-id = " << model() << "\r\n";
  const std::string line = test::bin("anemll_train") + " --config-file " + (dir / "run.ini").string() +
                           " --threads 1 " + from_checkpoint("--max-steps 1");
  expect(test::run("ANEMLL_BATCHSIZE=3 " + line), 0,
         {"ANEMLL_BATCHSIZE is not read; did you mean ANEMLL_BATCH_SIZE?"});
  expect(test::run("ANEMLL_LEARNING_RATE=1e-3 ANEMLL_BATCH_SIZE=3 " + line), 0,
         {"warning: the variable ANEMLL_LEARNING_RATE is not read; did you mean ANEMLL_LR?",
          "options are taken from the environment: ANEMLL_BATCH_SIZE"});
  BOOST_TEST(fs::exists(dir / "run #1/best_state_dict.pt"));
}

BOOST_AUTO_TEST_SUITE_END()
