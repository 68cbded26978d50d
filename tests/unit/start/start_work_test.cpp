// The folder in which a start keeps its blocks: whose it is, and what becomes of an earlier one.
#include "src/start/start_work.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "tests/support/temp_dir.hpp"

#include <filesystem>
#include <string>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;
namespace fs = std::filesystem;

namespace {

constexpr const char* kOne = R"({"model":"a","method":"cd"})";
constexpr const char* kOther = R"({"model":"a","method":"gptq"})";
constexpr const char* kBlock = "block_0000.safetensors";

/// A start that was stopped behind its first block.
void stopped(const fs::path& result) {
  StartWork work(result, "--output");
  work.open(kOne, EarlierStart::refuse);
  write_file(work.blocks() / kBlock, "a block");
}

std::string refusal(const fs::path& result, const char* identity, EarlierStart earlier) {
  try {
    StartWork(result, "--output").open(identity, earlier);
  } catch (const Error& error) {
    return error.code() == ExitCode::usage ? error.what() : "";
  }
  return "";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(start_work_folder)

BOOST_AUTO_TEST_CASE(a_start_goes_on_only_when_told_and_only_with_its_own_blocks) {
  const TempDir dir;
  const fs::path result = dir / "made";
  stopped(result);
  const fs::path block = dir / "made.start" / kBlock;
  BOOST_TEST(refusal(result, kOne, EarlierStart::refuse).find("--resume") != std::string::npos);
  BOOST_TEST(refusal(result, kOther, EarlierStart::go_on).find("another one: method") != std::string::npos);
  BOOST_TEST(fs::exists(block));
  StartWork(result, "--output").open(kOne, EarlierStart::go_on);
  BOOST_TEST(fs::exists(block));
  StartWork(result, "--output").open(kOne, EarlierStart::as_it_fits);
  BOOST_TEST(fs::exists(block));
  StartWork(result, "--output").open(kOther, EarlierStart::as_it_fits);
  BOOST_TEST(!fs::exists(block));
  stopped(dir / "second");
  StartWork(dir / "second", "--output").open(kOne, EarlierStart::start_anew);
  BOOST_TEST(!fs::exists(dir / "second.start" / kBlock));
}

BOOST_AUTO_TEST_CASE(the_result_appears_whole_and_the_folder_goes) {
  const TempDir dir;
  const fs::path result = dir / "made";
  stopped(result);
  StartWork work(result, "--output");
  work.open(kOne, EarlierStart::go_on);
  write_file(work.make_result() / "v2_init.pt", "a checkpoint");
  work.publish(false);
  BOOST_TEST(read_text(result / "v2_init.pt") == "a checkpoint");
  BOOST_TEST(!fs::exists(dir / "made.start"));
}

BOOST_AUTO_TEST_CASE(somebody_elses_folder_is_left_alone) {
  const TempDir dir;
  fs::create_directories(dir / "made.start");
  write_file(dir / "made.start" / "notes.txt", "mine");
  BOOST_TEST(refusal(dir / "made", kOne, EarlierStart::start_anew).find("notes.txt") != std::string::npos);
  BOOST_TEST(read_text(dir / "made.start" / "notes.txt") == "mine");
}

BOOST_AUTO_TEST_SUITE_END()
