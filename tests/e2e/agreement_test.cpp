// Ranks that are told or given different things: rank 0's options count, other files and other builds end the
// job before the first step, and nobody waits for ever.
#include "tests/support/run_apart.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_checks.hpp"
#include "tests/support/tool_run.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;
using test::run_apart;
using test::says;

namespace {

std::string train_command(const fs::path& out, const std::string& flags) {
  return test::bin("anemll_train") + " --v2-checkpoint " + test::golden("nano/v2_q2a4_init.pt").string() +
         " --model-id " + test::golden("nano").string() + " --output-dir " + out.string() +
         " --lr 5e-4 --precision fp32 --max-steps 4 --threads 1 " + flags;
}

std::string nano_cache() {
  return " --cache-dir " + test::golden("nano/cache").string() + " ";
}

void flip_byte(const fs::path& file, double place) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  const auto at = static_cast<std::streamoff>(static_cast<double>(fs::file_size(file)) * place);
  stream.seekg(at);
  const char byte = static_cast<char>(stream.get());
  stream.seekp(at);
  stream.put(static_cast<char>(byte ^ 1));
}

/// Two folders with an imported nano cache and a link to the nano model: "cache", "nano".
struct Hosts {
  test::TempDir dir;
  fs::path one = dir / "one", two = dir / "two";

  Hosts() {
    for (const fs::path& host : {one, two}) {
      fs::create_directories(host / "nano");
      for (const char* name : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"})
        fs::copy_file(test::golden(std::string("nano/") + name), host / "nano" / name);
      fs::copy_file(test::golden("nano/v2_q2a4_init.pt"), host / "source.pt");
      std::ofstream(host / "text.txt") << test::read_all(test::golden("README.md")).substr(0, 3000);
    }
    const auto imported = test::run(test::bin("anemll_cache") + " import " +
                                    test::golden("nano/cache").string() + " " + (one / "cache").string());
    BOOST_REQUIRE_MESSAGE(imported.code == 0, imported.output);
    fs::copy(one / "cache", two / "cache", fs::copy_options::recursive);
  }
  /// The same words on both ranks, each in its own folder.
  test::ToolResult run(const std::string& command) const {
    return run_apart("cd " + one.string() + " && " + command, "cd " + two.string() + " && " + command);
  }
  /// Of the two programs that score a text.
  test::ToolResult eval(const std::string& flags) const {
    return run(test::bin("anemll_eval") + " " + flags +
               " --text text.txt --context 64 --chunks 2 --threads 1");
  }
  test::ToolResult allocate(const std::string& flags = "") const {
    return run(test::bin("anemll_allocate") +
               " nano --text text.txt --context 64 --chunks 2 --layers-per-group 2 --ranks 2,4 --bits 2,4 "
               "--bits-target 4 --threads 1 --output layers.json " +
               flags);
  }
  test::ToolResult train(const std::string& out, const std::string& model = "nano") const {
    const std::string command = test::bin("anemll_train") + " --v2-checkpoint source.pt --model-id " + model +
                                " --cache-dir cache --output-dir " + (dir / out).string() +
                                " --precision fp32 --max-steps 2 --batch-size 4 --eval-samples 2 --threads 1";
    return run(command);
  }
  void refused(const std::string& what) const {
    const auto result = train("out");
    BOOST_TEST(result.code == 3, result.output);
    BOOST_TEST(says(result, "the ranks do not agree"), result.output);
    BOOST_TEST(says(result, what + ": "), result.output);
    BOOST_TEST(says(result, "on rank 1"), result.output);
    BOOST_TEST(!says(result, "step 1/"), result.output);
    BOOST_TEST(!says(result, "damaged"), result.output);  // each is good for itself
    BOOST_TEST(!fs::exists(dir / "out/best_state_dict.pt"));
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(agreement)

BOOST_AUTO_TEST_CASE(options_of_rank_0_count_everywhere) {
  const test::TempDir same, mixed;
  const std::string first = nano_cache() + "--batch-size 4 --eval-samples 4 --seed 1 --save-steps 2 ";
  const std::string other =
      nano_cache() +
      "--batch-size 6 --eval-samples 7 --seed 2 --save-steps 3 --temperature 3 "
      "--accumulation-steps 2 --logging-steps 3 --eval-steps 1 --hard-top1 0.5 --g-only";
  const auto expected = test::run(test::mpirun(2, train_command(same.path(), first)));
  BOOST_REQUIRE_MESSAGE(expected.code == 0, expected.output);
  BOOST_TEST(!says(expected, "other options"), expected.output);
  const auto result = run_apart(train_command(mixed.path(), first), train_command(mixed.path(), other));
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  BOOST_TEST(says(result, "those of rank 0 count"), result.output);
  for (const char* line :
       {"batch-size: 4 on rank 0, 6 (command line) on rank 1", "eval-samples: 4", "seed: 1", "save-steps: 2",
        "temperature: 2", "accumulation-steps: 1", "g-only: false"}) {
    BOOST_TEST(says(result, line), "no '" << line << "' in: " << result.output);
  }
  for (const char* file : {"state/step_00000004/parameters.safetensors", "best_state_dict.pt"})
    BOOST_TEST(test::read_all(same / file) == test::read_all(mixed / file), file);
}

BOOST_AUTO_TEST_CASE(options_out_of_variables_and_files_count_too) {
  const test::TempDir out;
  std::ofstream(out / "c.ini") << "seed = 5\n";
  const std::string command = train_command(out.path(), nano_cache() + "--batch-size 4 --eval-samples 0");
  const auto result = run_apart(command, "ANEMLL_BATCH_SIZE=6 ANEMLL_TEMPERATURE=3 " + command +
                                             " --config-file " + (out / "c.ini").string());
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  BOOST_TEST(says(result, "temperature: 2 on rank 0, 3 (environment ANEMLL_TEMPERATURE) on rank 1"),
             result.output);
  BOOST_TEST(says(result, "c.ini:1) on rank 1"), result.output);
}

BOOST_AUTO_TEST_CASE(a_command_line_that_does_not_parse_ends_all) {
  const test::TempDir out;
  const std::string good = train_command(out.path(), nano_cache());
  for (const bool root : {true, false}) {
    const auto start = std::chrono::steady_clock::now();
    const std::string bad = good + " --batch-size none";
    const auto result = run_apart(root ? bad : good, root ? good : bad);
    BOOST_TEST(result.code == 2, result.output);
    BOOST_TEST(says(result, "'none' is not a whole number"), result.output);
    BOOST_TEST(says(result, root ? "(on rank 0)" : "(on rank 1)"), result.output);
    BOOST_TEST((std::chrono::steady_clock::now() - start < std::chrono::seconds(20)));
  }
  BOOST_TEST(!fs::exists(out / "state"));
  // --help on one rank only: rank 0 decides.
  BOOST_TEST(run_apart(good + " --help", good).code == 0);
}

BOOST_AUTO_TEST_CASE(equal_files_at_different_places_are_fine) {
  const Hosts hosts;
  const auto result = hosts.train("out");
  BOOST_TEST(result.code == 0, result.output);
}

BOOST_AUTO_TEST_CASE(another_cache_is_refused) {
  const Hosts hosts;
  const auto shard = hosts.two / "cache/shard_00000.h5";
  flip_byte(shard, 0.6);  // the middle of the values; stated hashes stay
  hosts.refused("cache content");
}

BOOST_AUTO_TEST_CASE(another_model_is_refused) {
  const Hosts hosts;
  flip_byte(hosts.two / "nano/model.safetensors", 0.503);
  hosts.refused("model content");
}

BOOST_AUTO_TEST_CASE(another_configuration_of_the_model_is_refused) {
  const Hosts hosts;
  const auto config = hosts.two / "nano/config.json";
  std::string text = test::read_all(config);
  text.insert(text.find('{') + 1, "\"transformers_version\": \"0\", ");  // changes no number
  std::ofstream(config) << text;
  hosts.refused("model configuration");
}

BOOST_AUTO_TEST_CASE(another_source_is_refused) {
  const Hosts hosts;
  fs::copy_file(test::golden("nano/v2_q2a4_trained.pt"), hosts.two / "source.pt",
                fs::copy_options::overwrite_existing);
  hosts.refused("checkpoint content");
}

BOOST_AUTO_TEST_CASE(scores_of_equal_files_are_made_together) {
  const Hosts hosts;
  test::expect(hosts.eval("source.pt --model-id nano"), 0, {"source.pt"});
  test::expect(hosts.allocate(), 0, {"--layer-overrides"});
  BOOST_TEST(fs::exists(hosts.one / "layers.json"));
  BOOST_TEST(!fs::exists(hosts.two / "layers.json"));
}

BOOST_AUTO_TEST_CASE(scores_of_another_checkpoint_are_refused) {
  const Hosts hosts;
  fs::copy_file(test::golden("nano/v2_q2a4_trained.pt"), hosts.two / "source.pt",
                fs::copy_options::overwrite_existing);
  test::expect(hosts.eval("source.pt --model-id nano"), 3,
               {"the ranks do not agree", "checkpoint source.pt content: ", "on rank 1"});
}

BOOST_AUTO_TEST_CASE(scores_of_another_model_are_refused) {
  const Hosts hosts;
  fs::create_directory(hosts.one / "teacher");
  fs::create_directory(hosts.two / "teacher");
  for (const fs::path& host : {hosts.one, hosts.two}) fs::copy(host / "nano", host / "teacher");
  flip_byte(hosts.two / "teacher/model.safetensors", 0.503);
  const auto other_teacher = hosts.eval("source.pt --model-id nano --teacher teacher");
  test::expect(other_teacher, 3, {"the ranks do not agree", "model teacher content: ", "on rank 1"});
  BOOST_TEST(!says(other_teacher, "model nano content: "), other_teacher.output);

  flip_byte(hosts.two / "nano/model.safetensors", 0.503);
  test::expect(hosts.eval("source.pt --model-id nano"), 3,
               {"the ranks do not agree", "model nano content: ", "on rank 1"});
  test::expect(hosts.allocate(), 3, {"the ranks do not agree", "model content: ", "on rank 1"});
  BOOST_TEST(!fs::exists(hosts.one / "layers.json"));
}

// What is measured decides which sums the ranks make together.
BOOST_AUTO_TEST_CASE(sensitivities_are_those_of_rank_0) {
  const Hosts hosts;
  std::ofstream(hosts.two / "layers.sensitivity.json") << "no measurement";
  test::expect(hosts.allocate(), 0, {"--layer-overrides"});
  BOOST_TEST(test::read_all(hosts.two / "layers.sensitivity.json") == "no measurement");
  // Complete on one host, half of it on the other.
  auto half = nlohmann::json::parse(test::read_all(hosts.one / "layers.sensitivity.json"));
  half.at("kl_of_groups").erase("q 0-1");
  std::ofstream(hosts.two / "layers.sensitivity.json") << half.dump();
  const std::string layers = test::read_all(hosts.one / "layers.json");
  test::expect(hosts.allocate("--overwrite"), 0, {"7 groups and 14 linears are measured"});
  BOOST_TEST(test::read_all(hosts.one / "layers.json") == layers);

  std::ofstream(hosts.one / "layers.sensitivity.json") << "no measurement";
  const auto refused = hosts.allocate("--overwrite");
  test::expect(refused, 3, {"is no file of sensitivities"});
  BOOST_TEST(refused.output.find("is no file of") == refused.output.rfind("is no file of"), refused.output);
}

BOOST_AUTO_TEST_CASE(another_build_is_refused) {
  const test::TempDir dir;
  const fs::path program = test::bin("anemll_train");
  // What the other host has says of itself that it was made from another commit.
  const std::string words = test::run(program.string() + " --version").output;
  const std::size_t at = words.find("(git ") + 5;
  const std::string git = words.substr(at, words.find(')', at) - at);
  std::string bytes = test::read_all(program);
  const std::string other(git.size(), 'x');
  for (std::size_t i = bytes.find(git); i != std::string::npos; i = bytes.find(git, i))
    bytes.replace(i, git.size(), other);
  std::ofstream(dir / "anemll_train", std::ios::binary) << bytes;
  fs::permissions(dir / "anemll_train", fs::perms::owner_all);
  const std::string mine = train_command(dir / "out", nano_cache());
  const std::string theirs = (dir / "anemll_train").string() + mine.substr(program.string().size());
  const auto result = run_apart(mine, theirs);
  BOOST_TEST(result.code == 2, result.output);
  BOOST_TEST(says(result, "build git"), result.output);
  BOOST_TEST(says(result, other), result.output);
  BOOST_TEST(!fs::exists(dir / "out/state"));
}

BOOST_AUTO_TEST_CASE(precompute_takes_rank_0s_options) {
  const test::TempDir dir;
  const auto command = [&](const std::string& out, const std::string& flags) {
    return test::bin("anemll_precompute") + " --teacher_model_name_or_path " + test::golden("nano").string() +
           " --dataset_name " + test::golden("datasets/alpaca_40.json").string() +
           " --dataset_format alpaca_chat --output_dir " + (dir / out).string() +
           " --threads 1 --num_sequences 12 --topk 8 --dtype fp32 --holdout 0 " + flags;
  };
  const std::string first = "--seed 1 --rand_neg 4 --max_length 32 --batch_size 2";
  const auto expected = test::run(test::mpirun(2, command("same", first)));
  BOOST_REQUIRE_MESSAGE(expected.code == 0, expected.output);
  const auto result =
      run_apart(command("mixed", first),
                command("mixed", "--seed 2 --rand_neg 3 --max_length 16 --batch_size 3 --payload topk"));
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  BOOST_TEST(says(result, "seed: 1 on rank 0, 2 (command line) on rank 1"), result.output);
  const auto shards = [&](const std::string& out) {  // with their hashes; times of the runs differ
    return nlohmann::json::parse(test::read_all(dir / out / "index.json")).at("shards");
  };
  BOOST_TEST(shards("same") == shards("mixed"));
}

BOOST_AUTO_TEST_SUITE_END()
