// TensorBoard's event files: their bytes are those of its own messages and checksums.
#include "src/tracking/event_file.hpp"

#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;
namespace fs = std::filesystem;

namespace {

const std::vector<Metric> kLoss = {{"train/loss", 0.5}};

LogOrigin origin_at(double seconds) {
  return {[seconds] { return seconds; }, "host", "Linux", "abcd1234", 77};
}

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

std::string file_in(const std::string& position) {
  return nlohmann::json::parse(position).at("file");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(event_file)

BOOST_AUTO_TEST_CASE(the_bytes_are_those_of_tensorboards_messages) {
  const test::TempDir dir;
  EventFile events(dir / "tensorboard", origin_at(1700000000.25), 3);
  events.scalars(0, std::vector<Metric>{{"train/step", 0}, {"eval/loss", 2.5}});
  events.scalars(5, std::vector<Metric>{{"train/step", 5},
                                        {"train/loss", 1.0 / 3},
                                        {"train/lr", std::numeric_limits<double>::quiet_NaN()}});
  events.text(5, "samples", markdown_of({{"prompt", "answer"}, {{"Hi|", "a\nb"}}}));
  events.sync();
  BOOST_TEST(
      names_in(dir / "tensorboard") == std::set<std::string>{"events.out.tfevents.1700000000.host.77.0"},
      boost::test_tools::per_element());
  BOOST_TEST((test::read_all(dir / "tensorboard/events.out.tfevents.1700000000.host.77.0") ==
              test::read_all(test::golden("tracking/events.out"))));
}

BOOST_AUTO_TEST_CASE(each_start_has_a_file_and_what_lies_behind_a_position_goes) {
  const test::TempDir dir;
  std::string position;
  {
    EventFile first(dir.path(), origin_at(100), std::nullopt);
    first.scalars(1, kLoss);
    position = first.position();
    first.scalars(2, kLoss);
    const EventFile second(dir.path(), origin_at(100), 2);
    const EventFile third(dir.path(), origin_at(200), 2);
  }
  std::ofstream(dir / "notes") << "somebody's";
  BOOST_TEST(names_in(dir.path()).size() == 4U);
  cut_events(dir.path(), position);
  BOOST_TEST((names_in(dir.path()) == std::set<std::string>{file_in(position), "notes"}));
  EventFile again(dir.path(), origin_at(300), 2);
  again.scalars(2, kLoss);

  const test::TempDir straight;
  EventFile whole(straight.path(), origin_at(100), std::nullopt);
  whole.scalars(1, kLoss);
  BOOST_TEST(
      (test::read_all(dir / file_in(position)) == test::read_all(straight / file_in(whole.position()))));
}

BOOST_AUTO_TEST_CASE(nothing_is_cut_by_the_position_of_another_file) {
  const test::TempDir dir, other;
  EventFile here(dir.path(), origin_at(100), std::nullopt);
  here.scalars(1, kLoss);
  EventFile there(other.path(), origin_at(100), std::nullopt);
  there.scalars(3, kLoss);
  const EventFile later(dir.path(), origin_at(200), 2);
  const std::string before = test::read_all(dir / file_in(here.position()));
  for (const std::string& position :
       {there.position(), std::string(), std::string("{}"), std::string("[1")}) {
    cut_events(dir.path(), position);
    BOOST_TEST((test::read_all(dir / file_in(here.position())) == before), position);
    BOOST_TEST(names_in(dir.path()).size() == 2U, position);
  }
}

BOOST_AUTO_TEST_SUITE_END()
