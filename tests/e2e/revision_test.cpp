// A revision of a model on the hub: every program takes one, what a run records leads back to it.
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_checks.hpp"
#include "tests/support/tool_run.hpp"

#include <filesystem>
#include <fstream>
#include <string>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;

namespace {

/// A hub cache that has one revision of org/nano, the tag v1, and nothing of its main branch.
struct Hub {
  test::TempDir temp;

  Hub() {
    const std::string commit(40, 'a');
    const fs::path repository = temp / "hub/models--org--nano";
    fs::create_directories(repository / "refs");
    std::ofstream(repository / "refs/v1") << commit;
    fs::create_directories(repository / "snapshots" / commit);
    for (const char* name : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
                             "chat_template.jinja"})
      fs::copy_file(test::golden("nano") / name, repository / "snapshots" / commit / name);
    // A second snapshot: which of them is main cannot be guessed.
    fs::create_directories(repository / "snapshots" / std::string(40, 'b'));
  }
  test::ToolResult run(const std::string& command) const {
    return test::run("env HF_HUB_OFFLINE=1 HF_HUB_CACHE=" + (temp / "hub").string() + " " + command);
  }
  std::string train(const std::string& flags) const {
    return test::bin("anemll_train") + " --cache-dir " + test::golden("nano/cache").string() +
           " --output-dir " + (temp / "run").string() + " --v2-checkpoint " +
           test::golden("nano/v2_q2a4_init.pt").string() +
           " --batch-size 4 --max-steps 1 --warmup-steps 0 --eval-samples 0 --precision fp32 --threads 1 "
           "--model-id org/nano " +
           flags;
  }
};

nlohmann::json config_of(const fs::path& folder) {
  return nlohmann::json::parse(test::read_all(folder / "config.json"));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(e2e_revision)

BOOST_AUTO_TEST_CASE(a_run_and_its_snap_keep_the_revision) {
  const Hub hub;
  const auto main_branch = hub.run(hub.train(""));
  BOOST_TEST(main_branch.code == 3, main_branch.output);
  BOOST_TEST(says(main_branch, "refs/main"), main_branch.output);
  const auto trained = hub.run(hub.train("--model-revision v1"));
  BOOST_REQUIRE_MESSAGE(trained.code == 0, trained.output);
  BOOST_TEST(!says(trained, "has no effect"), trained.output);
  const fs::path run = hub.temp / "run";
  BOOST_TEST(config_of(run)["model_id"] == "org/nano");
  BOOST_TEST(config_of(run)["model_revision"] == "v1");

  // The same content from another place is the same run.
  const auto resumed =
      hub.run(hub.train("--max-steps 2 --resume auto --model-id " + test::golden("nano").string()));
  BOOST_TEST(resumed.code == 0, resumed.output);
  BOOST_TEST(says(resumed, "model-revision: v1 -> main"), resumed.output);
  BOOST_TEST(!config_of(run).contains("model_revision"));

  const std::string snap = test::bin("anemll_snap") + " --checkpoint " +
                           (run / "best_state_dict.pt").string() + " --output " +
                           (hub.temp / "snap").string() + " ";
  const auto again = hub.run(hub.train("--model-revision v1"));
  BOOST_REQUIRE_MESSAGE(again.code == 0, again.output);
  const auto snapped = hub.run(snap);  // config.json says which model, and which revision of it
  BOOST_REQUIRE_MESSAGE(snapped.code == 0, snapped.output);
  BOOST_TEST(config_of(hub.temp / "snap")["model_revision"] == "v1");
  const auto named = hub.run(snap + "--model-id org/nano");  // a named model is of main
  BOOST_TEST(named.code == 3, named.output);
  const auto both = hub.run(snap + "--model-id org/nano --model_revision v1");
  BOOST_TEST(both.code == 0, both.output);
  const auto local = hub.run(snap + "--model-revision v1 --model-id " + test::golden("nano").string());
  BOOST_TEST(local.code == 0, local.output);
  BOOST_TEST(says(local, "--model-revision has no effect on a local model"), local.output);
  BOOST_TEST(!config_of(hub.temp / "snap").contains("model_revision"));
}

BOOST_AUTO_TEST_CASE(teachers_and_tokenizers_have_one) {
  const Hub hub;
  const std::string encode = "echo words | " + std::string("HF_HUB_OFFLINE=1 HF_HUB_CACHE=") +
                             (hub.temp / "hub").string() + " " + test::bin("anemll_tokenize") +
                             " encode --model-id org/nano ";
  BOOST_TEST(test::run(encode).code == 3);
  const auto ids = test::run(encode + "--model-revision v1");
  BOOST_TEST(ids.code == 0, ids.output);

  const std::string inspect = test::bin("anemll_precompute") + " --inspect --dataset_name " +
                              test::golden("datasets/alpaca_40.json").string() +
                              " --dataset_format alpaca_chat --teacher_model_name_or_path org/nano ";
  BOOST_TEST(hub.run(inspect).code == 3);
  const auto told = hub.run(inspect + "--teacher-revision v1");
  BOOST_TEST(told.code == 0, told.output);

  const std::string evaluated = "--model-revision v1 --dry-run --eval-samples 4 --teacher-model org/nano ";
  BOOST_TEST(hub.run(hub.train(evaluated)).code == 3);
  const auto taught = hub.run(hub.train(evaluated + "--teacher-revision v1"));
  BOOST_TEST(taught.code == 0, taught.output);
}

BOOST_AUTO_TEST_SUITE_END()
