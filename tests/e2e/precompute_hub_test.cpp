// anemll_precompute with a data set and a teacher that a hub has: downloaded once, then used without it.
#include "tests/support/hub_program.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <string>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;
using test::HubProgram;
using test::nano_repository;

namespace {

constexpr const char* kParquet = "data/train-00000-of-00001-a09b74b3ef9c3b56.parquet";
constexpr const char* kTestParquet = "data/test-00000-of-00001-1b2c3d4e5f607182.parquet";

constexpr const char* kOffline = "HF_HUB_OFFLINE=1 ";

/// The users' command in an environment of which only the hub's variables are left.
test::ToolResult precompute(const test::TempDir& temp, const std::string& variables,
                            const std::string& teacher, const std::string& dataset, const fs::path& output,
                            const std::string& more = "") {
  return test::run("env -u TRANSFORMERS_OFFLINE -u HF_TOKEN -u HF_TOKEN_PATH no_proxy='*' HF_HOME=" +
                   (temp / "home").string() + " HF_HUB_CACHE=" + (temp / "hub").string() + " " + variables +
                   test::bin("anemll_precompute") + " --teacher_model_name_or_path " + teacher +
                   " --dataset_name " + dataset +
                   " --dataset_format alpaca_chat --enable_thinking both --max_length 32 --topk 16 "
                   "--num_sequences 16 --batch_size 8 --threads 1 --output_dir " +
                   output.string() + " " + more);
}

nlohmann::json index_of(const fs::path& cache) {
  return nlohmann::json::parse(test::read_all(cache / "index.json"));
}

std::string nano() {
  return test::golden("nano").string();
}

std::string local_parquet() {
  return test::golden("datasets/parquet/snappy_plain_v2.parquet").string();
}

/// A folder as the data set's repository has it.
fs::path alpaca_repository(const test::TempDir& temp) {
  const fs::path file = temp / "alpaca" / kParquet;
  fs::create_directories(file.parent_path());
  fs::copy_file(local_parquet(), file);
  fs::copy_file(test::golden("datasets/parquet/none_dict_v1.parquet"), temp / "alpaca" / kTestParquet);
  return temp / "alpaca";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(precompute_hub)

BOOST_AUTO_TEST_CASE(a_dataset_by_name_is_downloaded_once) {
  const test::TempDir temp;
  {
    const HubProgram hub("datasets", "tatsu-lab/alpaca", alpaca_repository(temp));
    const auto made = precompute(temp, hub.online(), nano(), "tatsu-lab/alpaca", temp / "first");
    BOOST_REQUIRE_MESSAGE(made.code == 0, made.output);
  }
  const fs::path repository = temp / "hub/datasets--tatsu-lab--alpaca";
  const std::string commit = test::read_all(repository / "refs/main");
  BOOST_TEST(
      (test::read_all(repository / "snapshots" / commit / kParquet) == test::read_all(local_parquet())));
  BOOST_TEST(!fs::exists(repository / "snapshots" / commit / kTestParquet));
  const auto verified = test::run(test::bin("anemll_cache") + " verify " + (temp / "first").string());
  BOOST_TEST(verified.code == 0, verified.output);

  const auto index = index_of(temp / "first");
  BOOST_TEST(index["sequences"] == 16);
  BOOST_TEST(index["meta"]["dataset_name"] == "tatsu-lab/alpaca");
  BOOST_TEST(index["meta"]["anemll"]["dataset_commit"] == commit);

  // The hub is gone.
  const auto again = precompute(temp, kOffline, nano(), "tatsu-lab/alpaca", temp / "second");
  BOOST_REQUIRE_MESSAGE(again.code == 0, again.output);
  BOOST_TEST(index_of(temp / "second")["shards"] == index["shards"]);
  fs::remove_all(temp / "hub");
  const auto absent = precompute(temp, kOffline, nano(), "tatsu-lab/alpaca", temp / "third");
  BOOST_TEST(absent.code == 3, absent.output);
  for (const char* part : {"tatsu-lab/alpaca", "HF_HUB_OFFLINE", "hint:"})
    BOOST_TEST(absent.output.find(part) != std::string::npos, absent.output);
  BOOST_TEST(!fs::exists(temp / "third"));
}

BOOST_AUTO_TEST_CASE(a_cached_split_is_not_taken_for_another) {
  const test::TempDir temp;
  const HubProgram hub("datasets", "tatsu-lab/alpaca", alpaca_repository(temp));
  const auto made = precompute(temp, hub.online(), nano(), "tatsu-lab/alpaca", temp / "first");
  BOOST_REQUIRE_MESSAGE(made.code == 0, made.output);
  // As Python leaves it that was asked for one file.
  const fs::path repository = temp / "hub/datasets--tatsu-lab--alpaca";
  const fs::path snapshot = repository / "snapshots" / test::read_all(repository / "refs/main");
  fs::remove(snapshot / kParquet);
  fs::copy_file(temp / "alpaca" / kTestParquet, snapshot / kTestParquet);

  const auto offline = precompute(temp, kOffline, nano(), "tatsu-lab/alpaca", temp / "second");
  BOOST_TEST(offline.code == 3, offline.output);
  for (const char* part : {"split 'train'", kTestParquet, "HF_HUB_OFFLINE", "hint:"})
    BOOST_TEST(offline.output.find(part) != std::string::npos, offline.output);
  const auto online = precompute(temp, hub.online(), nano(), "tatsu-lab/alpaca", temp / "second");
  BOOST_REQUIRE_MESSAGE(online.code == 0, online.output);
  BOOST_TEST(index_of(temp / "second")["shards"] == index_of(temp / "first")["shards"]);
}

BOOST_AUTO_TEST_CASE(cache_dir_is_the_hub_cache_of_dataset_and_teacher) {
  const test::TempDir temp;
  const std::string own = "--cache_dir " + (temp / "own").string();
  {
    const HubProgram hub("datasets", "tatsu-lab/alpaca", alpaca_repository(temp));
    const auto made = precompute(temp, hub.online(), nano(), "tatsu-lab/alpaca", temp / "first", own);
    BOOST_REQUIRE_MESSAGE(made.code == 0, made.output);
  }
  BOOST_TEST(fs::exists(temp / "own/datasets--tatsu-lab--alpaca/refs/main"));
  {
    // This hub does not know the data set: it comes out of the hub cache.
    const HubProgram hub("models", "test/nano", nano_repository(temp));
    const auto made = precompute(temp, hub.online(), "test/nano", "tatsu-lab/alpaca", temp / "second", own);
    BOOST_REQUIRE_MESSAGE(made.code == 0, made.output);
  }
  BOOST_TEST(!fs::exists(temp / "hub"), "--cache_dir goes before HF_HUB_CACHE");

  const auto first = index_of(temp / "first"), second = index_of(temp / "second");
  BOOST_TEST(second["shards"] == first["shards"]);
  BOOST_TEST(second["meta"]["teacher_model"] == "test/nano");
  BOOST_TEST(first["meta"]["anemll"]["teacher_commit"].is_null());
  BOOST_TEST(second["meta"]["anemll"]["teacher_commit"] ==
             test::read_all(temp / "own/models--test--nano/refs/main"));
  BOOST_TEST(second["meta"]["anemll"]["dataset_commit"] == first["meta"]["anemll"]["dataset_commit"]);
}

BOOST_AUTO_TEST_SUITE_END()
