// W&B's offline run: its bytes are those that the package itself writes, and a run goes on where it was.
#include "src/tracking/wandb_run.hpp"

#include "anemll/core/error.hpp"
#include "src/tracking/internal/wandb_frames.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"
#include "tests/support/wandb_records.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;
namespace fs = std::filesystem;

namespace {

struct Clock {
  double now = 1700000000.25;
  LogOrigin origin() {
    return {[this] { return now; }, "host", "Linux", "abcd1234", 77};
  }
};

WandbSettings settings(const fs::path& parent) {
  return {parent,       "qwen3-qat", "a run", "team", "anemll_train", R"({"lr": 0.001, "model_id": "nano"})",
          "train/step", {"train/*"}};
}

std::vector<Metric> row_of(std::int64_t step) {
  return {{"train/step", static_cast<double>(step)}, {"train/loss", 1.0 / static_cast<double>(step)}};
}

fs::path file_of(const WandbRun& run) {
  return run.folder() / "run-abcd1234.wandb";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(wandb_run)

BOOST_AUTO_TEST_CASE(the_bytes_are_those_of_the_package) {
  const test::TempDir dir;
  Clock clock;
  WandbRun run(settings(dir.path()), clock.origin());
  clock.now += 1.5;
  run.log(std::vector<Metric>{{"train/step", 0}, {"eval/loss", 2.5}});
  clock.now += 1.5;
  run.log(std::vector<Metric>{
      {"train/step", 5}, {"train/loss", 1.0 / 3}, {"train/lr", std::numeric_limits<double>::quiet_NaN()}});
  clock.now += 1.5;
  run.table("samples", {{"prompt", "answer"}, {{"Hi|", "a\nb"}}}, std::vector<Metric>{{"train/step", 5}});
  run.end(0);
  const std::string have = test::read_all(file_of(run));
  const std::string want = test::read_all(test::golden("tracking/run.wandb"));
  BOOST_TEST(test::wandb_records(have) == test::wandb_records(want), boost::test_tools::per_element());
  BOOST_TEST((have == want));
}

BOOST_AUTO_TEST_CASE(files_beside_the_records) {
  const test::TempDir dir;
  Clock clock;
  WandbRun run(settings(dir.path()), clock.origin());
  run.log(row_of(2));
  run.table("samples", {{"prompt", "answer"}, {{"Hi", "b"}}}, std::vector<Metric>{{"train/step", 2}});
  run.sync();
  const fs::path files = run.folder() / "files";
  BOOST_TEST(run.folder().filename().string().starts_with("offline-run-2023111"));
  BOOST_TEST(run.folder().filename().string().ends_with("-abcd1234"));
  BOOST_TEST(test::read_all(files / "config.yaml") ==
             "lr:\n    value: 0.001\nmodel_id:\n    value: \"nano\"\n");
  const auto summary = nlohmann::json::parse(test::read_all(files / "wandb-summary.json"));
  BOOST_TEST(summary.at("train/loss") == 0.5);
  const fs::path table = files / summary.at("samples").at("path").get<std::string>();
  BOOST_TEST(test::read_all(table) == R"({"columns":["prompt","answer"],"data":[["Hi","b"]]})");
  BOOST_TEST(nlohmann::json::parse(test::read_all(files / "wandb-metadata.json")).at("host") == "host");
}

BOOST_AUTO_TEST_CASE(a_record_of_any_size_at_any_place_reads_back) {
  for (const std::uint64_t before : {7U, 32768U - 8, 32768U - 7, 32768U - 6, 32768U - 1, 32768U}) {
    for (const std::size_t size : {0U, 1U, 32768U - 14, 32768U - 7, 100000U}) {
      std::string bytes = wandb_header();
      std::vector<std::string> want;
      if (before > 7 + 7) {  // a record that ends there, less the zeros that would begin the next block
        want.emplace_back(before - 7 - 7, 'x');
        bytes += wandb_frames(want.back(), bytes.size());
      }
      want.emplace_back(size, 'y');
      bytes += wandb_frames(want.back(), bytes.size());
      want.emplace_back("end");
      bytes += wandb_frames(want.back(), bytes.size());
      BOOST_TEST((test::wandb_records(bytes) == want), "a record of " << size << " bytes behind " << before);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_run_goes_on_as_if_it_had_not_stopped) {
  const test::TempDir whole_dir, broken_dir;
  Clock clock;
  WandbRun whole(settings(whole_dir.path()), clock.origin());
  whole.log(row_of(1));
  whole.log(row_of(2));
  whole.end(0);

  std::string position;
  fs::path file;
  {
    WandbRun first(settings(broken_dir.path()), clock.origin());
    first.log(row_of(1));
    position = first.position();
    first.log(row_of(7));  // behind the position: not told
    first.end(1);
    file = file_of(first);
    std::ofstream(file.string() + ".synced") << "";
  }
  std::optional<WandbRun> again = WandbRun::go_on(settings(broken_dir.path()), position, clock.origin());
  BOOST_REQUIRE(again.has_value());
  BOOST_TEST(!fs::exists(file.string() + ".synced"));  // it is to be uploaded again
  BOOST_TEST((again->summary("train/loss") == std::optional(1.0)));
  again->log(row_of(2));
  again->end(0);
  BOOST_TEST((test::read_all(file) == test::read_all(file_of(whole))));
}

BOOST_AUTO_TEST_CASE(another_file_is_not_gone_on_with) {
  const test::TempDir dir, elsewhere;
  Clock clock;
  WandbRun run(settings(dir.path()), clock.origin());
  run.log(row_of(1));
  const std::string position = run.position();
  const auto goes_on = [&](const fs::path& parent, const std::string& at) {
    return WandbRun::go_on(settings(parent), at, clock.origin()).has_value();
  };
  BOOST_TEST(!goes_on(elsewhere.path(), position));
  for (const char* nothing : {"", "{}", "[", R"({"run": "../x", "id": "abcd1234"})"})
    BOOST_TEST(!goes_on(dir.path(), nothing), nothing);
  const std::string kept = test::read_all(file_of(run));
  std::string other = kept;
  other[other.size() - 3] ^= 1;
  std::ofstream(file_of(run), std::ios::binary) << other;
  BOOST_TEST(!goes_on(dir.path(), position));
  std::ofstream(file_of(run), std::ios::binary) << kept.substr(0, kept.size() - 1);
  BOOST_TEST(!goes_on(dir.path(), position));
  std::ofstream(file_of(run), std::ios::binary) << kept << "more";
  BOOST_TEST(goes_on(dir.path(), position));
}

BOOST_AUTO_TEST_CASE(a_folder_that_cannot_be_made_is_an_error) {
  const test::TempDir dir;
  std::ofstream(dir / "wandb") << "a file";
  Clock clock;
  BOOST_CHECK_THROW(WandbRun(settings(dir.path()), clock.origin()), std::exception);
}

BOOST_AUTO_TEST_SUITE_END()
