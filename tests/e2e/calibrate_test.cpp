// anemll_calibrate: the same bytes on any number of ranks and after kills, and what it refuses.
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_checks.hpp"
#include "tests/support/tool_run.hpp"

#include <chrono>
#include <filesystem>
#include <string>

#include <boost/test/unit_test.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;

namespace {

std::string program() {
  return test::bin("anemll_calibrate") + " --threads 1 ";
}

std::string texts() {
  return " --dataset_name " + test::golden("datasets/c4_demo.jsonl").string() + ":0.6," +
         test::golden("datasets/alpaca_40.json").string() + "=alpaca_chat:0.4 ";
}

/// Small, with whole matrices.
std::string flags(const fs::path& out) {
  return "--model-id " + test::golden("nano").string() + texts() +
         "--max_length 32 --num-sequences 18 --full --output " + out.string() + " ";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(e2e_calibrate)

BOOST_AUTO_TEST_CASE(any_number_of_ranks_makes_the_same_file) {
  const test::TempDir dir;
  for (const int ranks : {1, 2, 4}) {
    const fs::path out = dir / std::string("m").append(std::to_string(ranks)).append(".h5");
    const test::ToolResult result = test::run(test::mpirun(ranks, program() + flags(out)));
    test::expect(result, 0,
                 {"c4_demo.jsonl", "alpaca_40.json", "(61.1%)", "down_proj", "weighted by norm", "full"});
    BOOST_TEST(!fs::exists(out.string() + ".calibrate"));
  }
  BOOST_TEST((test::read_all(dir / "m1.h5") == test::read_all(dir / "m2.h5")));
  BOOST_TEST((test::read_all(dir / "m1.h5") == test::read_all(dir / "m4.h5")));
}

BOOST_AUTO_TEST_CASE(gradients_weigh_the_same_on_any_number_of_ranks) {
  const test::TempDir dir;
  for (const int ranks : {1, 2}) {
    const fs::path out = dir / std::string("m").append(std::to_string(ranks)).append(".h5");
    test::expect(test::run(test::mpirun(ranks, program() + flags(out) + "--token-weight fisher")), 0,
                 {"gradients of tokens", "weighted by fisher"});
  }
  BOOST_TEST((test::read_all(dir / "m1.h5") == test::read_all(dir / "m2.h5")));
}

BOOST_AUTO_TEST_CASE(a_killed_run_goes_on_to_the_same_bytes) {
  const test::TempDir dir;
  const fs::path whole = dir / "whole.h5", killed = dir / "killed.h5";
  BOOST_REQUIRE(test::run(program() + flags(whole)).code == 0);
  bool was_killed = false;
  for (int delay = 30; delay < 600 && !fs::exists(killed); delay += 30)
    was_killed |=
        test::start_and_kill(program() + flags(killed) + "--resume", std::chrono::milliseconds(delay));
  BOOST_TEST(was_killed);
  test::expect(test::run(test::mpirun(2, program() + flags(killed) + "--resume")), 0, {});
  BOOST_TEST((test::read_all(whole) == test::read_all(killed)));
  test::expect(test::run(program() + flags(killed) + "--resume"), 0, {"complete already"});
}

BOOST_AUTO_TEST_CASE(a_finished_file_is_not_lost) {
  const test::TempDir dir;
  const fs::path out = dir / "m.h5";
  BOOST_REQUIRE(test::run(program() + flags(out)).code == 0);
  const std::string before = test::read_all(out);
  test::refused(program() + flags(out), 2, "is there already");
  // Before a model or a text is read.
  test::refused(program() + "--model-id absent --dataset_name absent.txt --output " + out.string(), 2,
                "is there already");
  test::refused(program() + flags(out) + "--resume --seed 5", 2, "another text");
  test::refused(program() + flags(out) + "--resume --token-weight none", 2, "another token_weight");
  BOOST_TEST((test::read_all(out) == before));
  test::expect(test::run(program() + flags(out) + "--overwrite --seed 5"), 0, {});
  BOOST_TEST((test::read_all(out) != before));
}

BOOST_AUTO_TEST_CASE(files_combine_and_are_told) {
  const test::TempDir dir;
  const auto out = [&](const char* name) { return (dir / name).string(); };
  BOOST_REQUIRE(test::run(program() + flags(out("a.h5"))).code == 0);
  BOOST_REQUIRE(test::run(program() + flags(out("b.h5")) + "--seed 1").code == 0);
  const std::string parts = " --combine " + out("a.h5") + " --combine " + out("b.h5");
  test::expect(test::run(program() + parts + " --output " + out("sum.h5")), 0, {"36 sequences"});
  const test::Answer told = test::ask(program() + "--show " + out("sum.h5"));
  BOOST_TEST(told.code == 0);
  BOOST_TEST(test::says(told.out, "model.layers.0.mlp.down_proj"));
  test::refused(
      program() + " --combine " + out("a.h5") + " --combine " + out("a.h5") + " --output " + out("c.h5"), 2,
      "the same text");
}

BOOST_AUTO_TEST_CASE(a_cache_is_a_text_too) {
  const test::TempDir dir;
  const std::string command = program() + "--model-id " + test::golden("nano").string() + " --cache-dir " +
                              test::golden("nano/cache").string() + " --num-sequences 8 --work-dir " +
                              dir.path().string() + " --output " + (dir / "m.h5").string();
  test::expect(test::run(command), 0, {"8 sequences", "diagonal"});
}

BOOST_AUTO_TEST_CASE(mistakes_are_refused_by_name) {
  const test::TempDir dir;
  const std::string out = " --output " + (dir / "m.h5").string() + " ";
  const std::string model = " --model-id " + test::golden("nano").string();
  test::refused(program() + model + texts(), 2, "--output");
  test::refused(program() + model + out, 2, "there is no text");
  test::refused(program() + texts() + out, 2, "--model-id");
  test::refused(program() + model + out + "--dataset_name a.txt:0.5,b.txt", 2, "some have none");
  test::refused(program() + model + texts() + out + "--max_length 100000", 2, "positions");
  test::refused(program() + "--show " + test::golden("nano/config.json").string(), 3, "config.json");
  BOOST_TEST(!fs::exists(dir / "m.h5"));
}

BOOST_AUTO_TEST_SUITE_END()
