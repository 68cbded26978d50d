// A run that is killed and resumed ends with the same bytes as one that never stopped.
#include "src/core/hash.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"
#include "tests/support/train_run.hpp"

#include <cctype>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;

namespace {

using test::train_command;

void compare_runs(const fs::path& a, const fs::path& b, const std::string& last) {
  for (const char* file : {"parameters.safetensors", "optimizer.safetensors"}) {
    BOOST_TEST(test::read_all(a / "state" / last / file) == test::read_all(b / "state" / last / file), file);
  }
  auto left = nlohmann::json::parse(test::read_all(a / "state" / last / "trainer.json"))["state"];
  auto right = nlohmann::json::parse(test::read_all(b / "state" / last / "trainer.json"))["state"];
  left.erase("elapsed_s");
  right.erase("elapsed_s");
  BOOST_TEST(left == right);
  BOOST_TEST(test::read_all(a / "best_state_dict.pt") == test::read_all(b / "best_state_dict.pt"),
             "best_state_dict.pt");
  const auto rows_a = test::read_csv(a / "training_log.csv");
  const auto rows_b = test::read_csv(b / "training_log.csv");
  BOOST_REQUIRE_EQUAL(rows_a.size(), rows_b.size());
  for (std::size_t i = 0; i < rows_a.size(); ++i) {
    BOOST_TEST(rows_a[i].step == rows_b[i].step);
    BOOST_TEST(rows_a[i].train == rows_b[i].train);
    BOOST_TEST(rows_a[i].eval == rows_b[i].eval);
    BOOST_TEST(rows_a[i].lr == rows_b[i].lr);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(resume)

BOOST_AUTO_TEST_CASE(killed_again_and_again) {
  const test::TempDir whole;
  const test::TempDir broken;
  const auto straight = test::run(train_command(whole.path(), "--max-steps 60"));
  BOOST_REQUIRE_MESSAGE(straight.code == 0, straight.output);

  int kills = 0;
  for (int delay = 350; delay < 1500; delay += 97) {
    kills += test::start_and_kill(train_command(broken.path(), "--max-steps 60 --resume auto"),
                                  std::chrono::milliseconds(delay));
  }
  BOOST_TEST(kills > 0);
  const auto last = test::run(train_command(broken.path(), "--max-steps 60 --resume auto"));
  BOOST_REQUIRE_MESSAGE(last.code == 0, last.output);
  compare_runs(whole.path(), broken.path(), "step_00000060");
}

BOOST_AUTO_TEST_CASE(torn_checkpoint_falls_back) {
  const test::TempDir whole;
  const test::TempDir torn;
  BOOST_REQUIRE_EQUAL(test::run(train_command(whole.path(), "--max-steps 12")).code, 0);
  BOOST_REQUIRE_EQUAL(test::run(train_command(torn.path(), "--max-steps 12")).code, 0);
  fs::resize_file(torn / "state/step_00000012/parameters.safetensors", 100);
  fs::create_directories(torn / "state/step_00000015.tmp");
  const auto again = test::run(train_command(torn.path(), "--max-steps 12 --resume auto"));
  BOOST_TEST(again.code == 0, again.output);
  BOOST_TEST(again.output.find("checkpoint passed over") != std::string::npos, again.output);
  compare_runs(whole.path(), torn.path(), "step_00000012");
}

BOOST_AUTO_TEST_CASE(signal_saves_and_exits_75) {
  for (const char* signal : {"USR1", "TERM"}) {
    const test::TempDir whole;
    const test::TempDir out;
    BOOST_REQUIRE_EQUAL(
        test::run(
            test::mpirun(2, train_command(whole.path(), "--max-steps 400 --save-steps 0 --eval-steps 0")))
            .code,
        0);
    const std::string command = test::mpirun(
        2, train_command(out.path(), "--max-steps 400 --save-steps 0 --eval-steps 0 --resume auto"));
    // As soon as a few steps are logged, a second or so before the end.
    const std::string log = (out / "training_log.csv").string();
    const auto stopped = test::run(
        "{ " + command + " & child=$!; while kill -0 $child 2>/dev/null && [ $(cat " + log +
        " 2>/dev/null | wc -l) -lt 4 ]; do sleep 0.02; done; kill -" + signal + " $child; wait $child; }");
    BOOST_TEST(stopped.code == 75, stopped.output);
    const auto rest = test::run(command);
    BOOST_TEST(rest.code == 0, rest.output);
    compare_runs(whole.path(), out.path(), "step_00000400");
  }
}

BOOST_AUTO_TEST_CASE(ctrl_c_saves_too) {
  const test::TempDir out;
  const std::string command =
      train_command(out.path(), "--max-steps 4000 --save-steps 0 --eval-steps 0 --resume auto");
  const std::string log = (out / "training_log.csv").string();
  const auto stopped =
      test::run("{ " + command + " & child=$!; while kill -0 $child 2>/dev/null && [ $(cat " + log +
                " 2>/dev/null | wc -l) -lt 4 ]; do sleep 0.02; done; kill -INT $child; wait $child; }");
  BOOST_TEST(stopped.code == 75, stopped.output);
  BOOST_TEST(fs::exists(out / "state/latest"));
}

BOOST_AUTO_TEST_CASE(another_rank_count_goes_on) {
  constexpr double kRelative = 1e-4;  // fp32 sums in another order
  const test::TempDir whole;
  const test::TempDir moved;
  BOOST_REQUIRE_EQUAL(test::run(train_command(whole.path(), "--max-steps 24")).code, 0);
  // The schedule is that of 24 steps from the start: a signal-free stop in its middle.
  BOOST_REQUIRE_EQUAL(test::run(train_command(moved.path(), "--max-steps 24")).code, 0);
  for (const char* later : {"step_00000024", "latest"})
    fs::remove_all(moved / (std::string("state/") + later));
  const auto rest = test::run(test::mpirun(2, train_command(moved.path(), "--max-steps 24 --resume auto")));
  BOOST_REQUIRE_MESSAGE(rest.code == 0, rest.output);
  BOOST_TEST(rest.output.find("at step 21 of 24") != std::string::npos, rest.output);
  const auto expected = test::read_csv(whole / "training_log.csv");
  const auto got = test::read_csv(moved / "training_log.csv");
  BOOST_REQUIRE_EQUAL(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const std::string& mine = got[i].train.empty() ? got[i].eval : got[i].train;
    const std::string& theirs = expected[i].train.empty() ? expected[i].eval : expected[i].train;
    BOOST_TEST(std::abs(std::stod(mine) / std::stod(theirs) - 1) <= kRelative);
  }
}

BOOST_AUTO_TEST_CASE(latest_that_says_nothing_or_too_much_stops_nobody) {
  const test::TempDir whole;
  BOOST_REQUIRE_EQUAL(test::run(train_command(whole.path(), "--max-steps 12")).code, 0);
  for (const char* text : {"", "step_00000099", "step_00000003"}) {
    const test::TempDir out;
    fs::copy(whole.path(), out.path(), fs::copy_options::recursive);
    fs::remove_all(out / "state/step_00000012");
    std::ofstream(out / "state/latest", std::ios::trunc) << text;
    const auto again = test::run(train_command(out.path(), "--max-steps 12 --resume auto"));
    BOOST_TEST(again.code == 0, again.output);
    BOOST_TEST(again.output.find("which counts") != std::string::npos, again.output);
    compare_runs(whole.path(), out.path(), "step_00000012");
  }
}

BOOST_AUTO_TEST_CASE(logs_are_cut_by_step_and_keep_what_a_person_wrote) {
  const test::TempDir whole;
  BOOST_REQUIRE_EQUAL(test::run(train_command(whole.path(), "--max-steps 12")).code, 0);
  const auto resumed = [&](const test::TempDir& out) {
    fs::remove_all(out / "state/step_00000012");  // as if it had been killed before its last save
    const auto again = test::run(train_command(out.path(), "--max-steps 12 --resume auto"));
    BOOST_TEST(again.code == 0, again.output);
    return test::read_all(out / "training_log.csv");
  };
  const auto rows = [](const std::string& csv) {
    std::vector<std::string> found;  // without the seconds
    std::istringstream lines(csv);
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty() && std::isdigit(static_cast<unsigned char>(line.front())) != 0)
        found.push_back(line.substr(0, line.find("e-", 0)));
    }
    return found;
  };
  const std::string straight = test::read_all(whole / "training_log.csv");
  {
    const test::TempDir out;
    fs::copy(whole.path(), out.path(), fs::copy_options::recursive);
    std::ofstream(out / "training_log.csv", std::ios::trunc) << "# first try\r\n"
                                                             << straight << "# the end\r\n";
    const std::string csv = resumed(out);
    BOOST_TEST(csv.starts_with("# first try\r\n"));
    BOOST_TEST(csv.find("# the end\r\n") != std::string::npos);
    BOOST_TEST(rows(csv) == rows(straight), boost::test_tools::per_element());
  }
  {
    const test::TempDir out;  // moved away: the new one has what comes
    fs::copy(whole.path(), out.path(), fs::copy_options::recursive);
    fs::rename(out / "training_log.csv", out / "old.csv");
    const std::string csv = resumed(out);
    BOOST_TEST(csv.starts_with("step,train_loss"));
    BOOST_TEST(rows(csv).size() >= 1U);
    BOOST_TEST(rows(csv).back() == rows(straight).back());
    BOOST_TEST(test::read_all(out / "old.csv") == straight);
  }
}

BOOST_AUTO_TEST_CASE(going_back_keeps_the_other_future) {
  const test::TempDir out;
  BOOST_REQUIRE_EQUAL(test::run(train_command(out.path(), "--max-steps 12")).code, 0);
  const auto before = test::content_of(out.path());
  // The states of steps 10 (the best before the end) and 12 are there.
  const std::string back = (out / "state/step_00000010").string();
  const auto again = test::run(train_command(out.path(), "--max-steps 12 --save-steps 4 --resume " + back));
  BOOST_REQUIRE_MESSAGE(again.code == 0, again.output);
  const fs::path future = out / "state/abandoned-1";
  for (const char* file : {"step_00000012/parameters.safetensors", "step_00000012/trainer.json"}) {
    BOOST_TEST(test::read_all(future / file) == before.at(std::string("state/") + file), file);
  }
  for (const char* file : {"training_log.csv", "metrics.jsonl", "checkpoint_step12.pt", "best_state_dict.pt"})
    BOOST_TEST(test::read_all(future / file) == before.at(file), file);
  // It can be resumed there by name, into the run's folder or another one.
  const test::TempDir other;
  const auto there = test::run(
      train_command(other.path(), "--max-steps 15 --resume " + (future / "step_00000012").string()));
  BOOST_TEST(there.code == 0, there.output);
  BOOST_TEST(there.output.find("at step 12 of 15") != std::string::npos, there.output);
  {  // The log came along, up to its step, and goes on; so did the best.
    const auto rows = test::read_csv(other / "training_log.csv"),
               past = test::read_csv(future / "training_log.csv");
    BOOST_REQUIRE_GT(rows.size(), past.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const bool old = i < past.size();
      BOOST_TEST((old ? rows[i].step == past[i].step && rows[i].train == past[i].train &&
                            rows[i].eval == past[i].eval
                      : rows[i].step == 15));
    }
    const auto best = nlohmann::json::parse(test::read_all(other / "state/best"));
    BOOST_TEST(anemll::sha256_file(other / "best_state_dict.pt") ==
               best.at("file").at("sha256").get<std::string>());
    BOOST_TEST(anemll::sha256_file(other / "state" / best.at("state").get<std::string>() /
                                   "parameters.safetensors") == best.at("sha256").get<std::string>());
  }
  const auto here = test::run(train_command(out.path(), "--max-steps 15 --resume " + future.string()));
  BOOST_TEST(here.code == 0, here.output);
  BOOST_TEST(fs::exists(out / "state/abandoned-2/step_00000012"));
}

BOOST_AUTO_TEST_CASE(other_settings_are_refused) {
  const test::TempDir out;
  BOOST_REQUIRE_EQUAL(test::run(train_command(out.path(), "--max-steps 3")).code, 0);
  const auto refused =
      test::run(train_command(out.path(), "--max-steps 6 --resume auto --accumulation-steps 3"));
  BOOST_TEST(refused.code == 2);
  BOOST_TEST(refused.output.find("accumulation-steps: 1 -> 3") != std::string::npos, refused.output);
}

BOOST_AUTO_TEST_SUITE_END()
