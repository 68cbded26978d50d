// anemll_allocate from the outside: the target holds, ranks and interruptions change nothing, and training
// takes what it writes.
#include "anemll/formats/torch_file.hpp"
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
using nlohmann::json;
using test::refused;
using test::says;

namespace {

struct Place {
  test::TempDir dir;
  Place() { std::ofstream(dir / "text.txt") << test::read_all(test::golden("README.md")).substr(0, 3000); }

  std::string allocate(const std::string& name, const std::string& flags) const {
    return test::bin("anemll_allocate") + " " + test::golden("nano").string() + " --text " +
           (dir / "text.txt").string() +
           " --context 64 --chunks 3 --layers-per-group 1 --ranks 2,4 --threads 1 " + "--output " +
           (dir / name).string() + " " + flags;
  }
  json read(const std::string& name) const { return json::parse(test::read_all(dir / name)); }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(Allocate)

BOOST_AUTO_TEST_CASE(bits_hold_the_target_and_ranks_change_nothing) {
  const Place place;
  const test::ToolResult one = test::run(place.allocate("one.json", "--bits-target 3.6"));
  test::expect(one, 0, {"chosen", "balanced", "balanced3", "loss", "--layer-overrides"});
  const json layers = place.read("one.json");
  BOOST_TEST(layers.at("layer_overrides").size() == 14U);
  const double bits = layers.at("bits_per_weight");
  BOOST_TEST((bits <= 3.6 && bits > 3.2), bits);

  const test::ToolResult two = test::run(test::mpirun(2, place.allocate("two.json", "--bits-target 3.6")));
  BOOST_TEST_REQUIRE(two.code == 0, two.output);
  BOOST_TEST(test::read_all(place.dir / "one.json") == test::read_all(place.dir / "two.json"));
  BOOST_TEST(test::read_all(place.dir / "one.sensitivity.json") ==
             test::read_all(place.dir / "two.sensitivity.json"));

  // More room, less loss; nothing is measured again.
  const std::string kept = " --sensitivity " + (place.dir / "one.sensitivity.json").string();
  const test::ToolResult more = test::run(place.allocate("more.json", "--bits-target 4" + kept));
  test::expect(more, 0, {"14 groups and 14 linears are measured"});
  BOOST_TEST(!says(more, "Sensitivities"), more.output);
  BOOST_TEST(place.read("more.json").at("predicted_kl").get<double>() <
             layers.at("predicted_kl").get<double>());
  refused(place.allocate("less.json", "--bits-target 1" + kept), 2, "the smallest widths take");

  // What another call chose stays; said before anything is measured, so without the text too.
  const std::string chosen = test::read_all(place.dir / "more.json");
  refused(place.allocate("more.json", "--bits-target 3.6 --text absent.txt" + kept), 2, "--overwrite");
  refused(place.allocate("more.json", "--bits-target 3.6" + kept), 2, "is there already");
  BOOST_TEST(test::read_all(place.dir / "more.json") == chosen);
  test::expect(test::run(place.allocate("more.json", "--bits-target 3.6 --overwrite" + kept)), 0, {});
  const std::string measured = test::read_all(place.dir / "one.sensitivity.json");
  refused(place.allocate("other.json", "--bits-target 3.6 --probe-bits 1" + kept), 2,
          "measured on another model");
  BOOST_TEST(test::read_all(place.dir / "one.sensitivity.json") == measured);
  BOOST_TEST(test::read_all(place.dir / "more.json") == test::read_all(place.dir / "one.json"));
}

BOOST_AUTO_TEST_CASE(a_target_beyond_all_numbers_is_a_large_one) {
  const Place place;
  const std::string kept = (place.dir / "new/folder/kept.json").string();
  const std::string more = " --bits 2,4 --sensitivity " + kept;
  test::expect(test::run(place.allocate("large.json", "--size-target 1000" + more)), 0, {});
  BOOST_TEST(fs::exists(kept));
  test::expect(test::run(place.allocate("beyond.json", "--size-target 1e300" + more)), 0, {});
  BOOST_TEST(test::read_all(place.dir / "beyond.json") == test::read_all(place.dir / "large.json"));
}

BOOST_AUTO_TEST_CASE(a_result_that_cannot_be_written_is_one_error_of_all_ranks) {
  const Place place;
  // The name is as long as a name may be; that of the draft beside it is longer.
  const std::string name(250, 'x');
  const test::ToolResult result = test::run(test::mpirun(
      2, place.allocate(name, "--bits-target 3.6 --sensitivity " + (place.dir / "kept.json").string())));
  test::expect(result, 3, {"cannot create", "hint:"});
  BOOST_TEST(!says(result, "MPI_ABORT"), result.output);
  BOOST_TEST(fs::exists(place.dir / "kept.json"));
}

BOOST_AUTO_TEST_CASE(a_stopped_measurement_goes_on) {
  const Place place;
  test::expect(test::run(place.allocate("whole.json", "--size-target 0.53")), 0, {});
  json half = place.read("whole.sensitivity.json");
  BOOST_TEST_REQUIRE(half.at("kl_of_groups").size() == 14U);
  half["kl_of_groups"].erase("down 1-1");
  half["kl_of_groups"].erase("q 0-0");
  half["errors_of_linears"].erase("model.layers.1.mlp.up_proj");
  std::ofstream(place.dir / "half.sensitivity.json") << half.dump();
  test::expect(test::run(place.allocate("half.json", "--size-target 0.53")), 0, {"12 groups and 13 linears"});
  BOOST_TEST(test::read_all(place.dir / "half.json") == test::read_all(place.dir / "whole.json"));
  BOOST_TEST(place.read("half.sensitivity.json") == place.read("whole.sensitivity.json"));
}

BOOST_AUTO_TEST_CASE(training_starts_with_the_widths) {
  const Place place;
  test::expect(test::run(place.allocate("layers.json", "--bits-target 3.6 --bits 2,4")), 0, {});
  const std::string train = test::bin("anemll_train") + " --from-scratch --model-id " +
                            test::golden("nano").string() + " --cache-dir " +
                            test::golden("nano/cache").string() + " --output-dir " +
                            (place.dir / "run").string() + " --batch-size 4 --threads 1 --layer-overrides " +
                            (place.dir / "layers.json").string();
  test::expect(test::run(train + " --max-steps 2"), 0, {});
  const anemll::TensorMap state = anemll::read_state_dict(place.dir / "run/best_state_dict.pt");
  for (const auto& [linear, width] : place.read("layers.json").at("layer_overrides").items()) {
    BOOST_TEST(state.find(linear + ".lut")->numel() == (1 << width.at("lut_bits").get<int>()), linear);
    BOOST_TEST(state.find(linear + ".rank_magnitude")->numel() == width.at("scale_rank").get<int>(), linear);
    BOOST_TEST(width.at("lut_bits").get<int>() % 2 == 0);
  }
  // What resumes has them already, and others are refused.
  test::expect(test::run(train + " --max-steps 3 --resume auto"), 0, {});
  std::ofstream(place.dir / "layers.json")
      << R"({"layer_overrides": {"model.layers.0.mlp.up_proj": {"lut_bits": 1}}})";
  test::expect(test::run(train + " --max-steps 3 --resume auto"), 2, {"layer-overrides", "hint:"});
}

BOOST_AUTO_TEST_CASE(what_cannot_be_meant_is_refused) {
  const Place place;
  refused(place.allocate("x.json", ""), 2, "no target is given");
  refused(place.allocate("x.json", "--bits-target 3 --size-target 2"), 2, "two targets");
  refused(place.allocate("x.json", "--bits-target 3 --bits 2,5"), 2, "no list of numbers from 1 to 4");
  // Where the measurement is kept is looked at before anything is measured, so without the text too.
  const std::string early = "--bits-target 3 --overwrite --text absent.txt --sensitivity ";
  refused(place.allocate("x.json", early + (place.dir / "x.json").string()), 2,
          "is the file of --output too");
  refused(place.allocate("x.json", early + place.dir.path().string()), 2, "is a folder");
  refused(place.allocate("x.json", early + (place.dir / "text.txt/x.json").string()), 3,
          "no file can be made there");
  BOOST_TEST(!fs::exists(place.dir / "x.json"));
  refused(test::bin("anemll_allocate") + " " + test::golden("nano/v2_q2a4_trained.pt").string() + " --text " +
              (place.dir / "text.txt").string() + " --bits-target 3 --output " +
              (place.dir / "x.json").string(),
          2, "is a checkpoint");
}

BOOST_AUTO_TEST_SUITE_END()
