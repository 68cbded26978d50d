// A disk that fills while a program saves: the error says which file, what was saved before is unchanged,
// nothing half written lies about, and with room again the run goes on as if nothing had happened. A limit on
// the size of files stands in for the disk: both make write() fail somewhere in the middle of a file.
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"
#include "tests/support/train_run.hpp"

#include <algorithm>
#include <filesystem>
#include <string>

#include <boost/test/unit_test.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;
using test::train_command;

namespace {

constexpr std::uintmax_t kKib = 1024;

std::uintmax_t largest_file(const fs::path& folder) {
  std::uintmax_t largest = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) largest = std::max(largest, entry.file_size());
  }
  return largest;
}

/// `command` where no file may grow beyond `bytes`, rounded down to KiB. MPI must do without its own large
/// files.
std::string limited(std::uintmax_t bytes, const std::string& command) {
  return "PMIX_MCA_gds=hash OMPI_MCA_btl=self bash -c 'ulimit -f " + std::to_string(bytes / kKib) +
         "; exec " + command + "'";
}

void expect_no_temporaries(const fs::path& folder) {
  if (!fs::exists(folder)) return;  // nothing was written, and the folder is gone again
  for (const auto& [name, bytes] : test::content_of(folder))
    BOOST_TEST(name.find(".tmp") == std::string::npos, name);
}

void expect_full(const test::ToolResult& result, const fs::path& folder) {
  BOOST_TEST(result.code == 3, result.output);
  BOOST_TEST(result.output.find("error: ") != std::string::npos, result.output);
  BOOST_TEST(result.output.find("File too large") != std::string::npos, result.output);
  BOOST_TEST(result.output.find("where: " + folder.string()) != std::string::npos, result.output);
  BOOST_TEST(result.output.find("please report") == std::string::npos, result.output);
}

const std::string kFlags = "--save-steps 2 --keep-checkpoints 0 --constant-lr --warmup-steps 1 --max-steps ";
constexpr const char* kState4 = "state/step_00000004";

/// A run of four steps that the tests copy and continue, and its undisturbed end at step eight.
struct Run {
  test::TempDir dir;
  fs::path four = dir / "four", eight = dir / "eight";
  Run() {
    const auto begun = test::run(train_command(four, kFlags + "4"));
    BOOST_REQUIRE_MESSAGE(begun.code == 0, begun.output);
    fs::copy(four, eight, fs::copy_options::recursive);
    const auto ended = test::run(train_command(eight, kFlags + "8 --resume auto"));
    BOOST_REQUIRE_MESSAGE(ended.code == 0, ended.output);
  }
};

const Run& run() {
  static const Run made;
  return made;
}

/// Goes on from the four steps under a limit, where the step `saved` is the last that is kept, then without
/// one.
void fill_and_go_on(std::uintmax_t limit, int saved, const fs::path& out) {
  fs::copy(run().four, out, fs::copy_options::recursive);
  const auto state = test::content_of(out / kState4);
  const std::string command = train_command(out, kFlags + "8 --resume auto");
  const auto full = test::run(limited(limit, command));
  expect_full(full, out);
  BOOST_TEST((test::content_of(out / kState4) == state), "limit " << limit);
  for (const int step : {6, 8})
    BOOST_TEST(fs::exists(out / ("state/step_0000000" + std::to_string(step))) == (step <= saved),
               full.output);
  BOOST_TEST(test::read_all(out / "checkpoint_step4.pt") ==
             test::read_all(run().four / "checkpoint_step4.pt"));
  expect_no_temporaries(out);
  const auto again = test::run(command);
  BOOST_TEST(again.code == 0, again.output);
  const std::string parameters = "state/step_00000008/parameters.safetensors";
  BOOST_TEST(test::read_all(out / parameters) == test::read_all(run().eight / parameters));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(full_disk)

BOOST_AUTO_TEST_CASE(no_room_for_the_state) {
  const test::TempDir dir;
  const std::uintmax_t largest = largest_file(run().four / kState4);
  BOOST_REQUIRE(largest > 64 * kKib);
  fill_and_go_on(largest / 2, 4, dir / "o");
}

BOOST_AUTO_TEST_CASE(the_state_is_saved_before_a_large_copy_fails) {
  const test::TempDir dir;
  const std::uintmax_t largest = largest_file(run().four / kState4);
  const std::uintmax_t copy = fs::file_size(run().four / "checkpoint_step4.pt");
  BOOST_REQUIRE(copy > largest + 64 * kKib);
  fill_and_go_on((largest + copy) / 2, 6, dir / "o");
}

BOOST_AUTO_TEST_CASE(no_room_for_a_first_start) {
  const test::TempDir dir;
  const fs::path out = dir / "o";
  const auto full = test::run(limited(64 * kKib, train_command(out, kFlags + "4")));
  expect_full(full, out);
  expect_no_temporaries(out);
  const auto again = test::run(train_command(out, kFlags + "4"));
  BOOST_TEST(again.code == 0, again.output);
  BOOST_TEST(test::read_all(out / kState4 / "parameters.safetensors") ==
             test::read_all(run().four / kState4 / "parameters.safetensors"));
}

BOOST_AUTO_TEST_CASE(no_room_for_a_cache) {
  const test::TempDir dir;
  const auto command = [&](const std::string& out) {
    return test::bin("anemll_precompute") + " --teacher_model_name_or_path " + test::golden("nano").string() +
           " --dataset_name " + test::golden("datasets/alpaca_40.json").string() +
           " --dataset_format alpaca_chat --max_length 32 --topk 16 --num_sequences 40 --batch_size 4 "
           "--dtype fp32 --threads 1 --output_dir " +
           (dir / out).string();
  };
  const auto whole = test::run(command("whole"));
  BOOST_REQUIRE_MESSAGE(whole.code == 0, whole.output);
  const auto full = test::run(limited(fs::file_size(dir / "whole/shard_00000.h5") / 2, command("kd")));
  BOOST_TEST(full.code == 3, full.output);
  BOOST_TEST(full.output.find((dir / "kd.precompute").string()) != std::string::npos, full.output);
  BOOST_TEST(!fs::exists(dir / "kd"));
  const auto again = test::run(command("kd") + " --resume");
  BOOST_TEST(again.code == 0, again.output);
  BOOST_TEST(!fs::exists(dir / "kd.precompute"));
  BOOST_TEST(test::run(test::bin("anemll_cache") + " verify " + (dir / "kd").string()).code == 0);
}

BOOST_AUTO_TEST_CASE(no_room_for_a_snap) {
  const test::TempDir dir;
  const std::string command = test::bin("anemll_snap") + " --checkpoint " +
                              test::golden("nano/v2_q2a4_trained.pt").string() + " --model-id " +
                              test::golden("nano").string() + " --fp16 --output " + (dir / "s").string();
  const auto full = test::run(limited(256 * kKib, command));
  expect_full(full, dir / "s");
  BOOST_TEST(!fs::exists(dir / "s/model_state_dict.pt"));
  expect_no_temporaries(dir / "s");
  const auto again = test::run(command);
  BOOST_TEST(again.code == 0, again.output);
}

BOOST_AUTO_TEST_SUITE_END()
