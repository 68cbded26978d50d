// What the W&B run of a teacher pass holds, and that a pass which is started again goes on in it.
#include "src/teacher/internal/tracked_pass.hpp"

#include "tests/support/capture.hpp"
#include "tests/support/temp_dir.hpp"

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace anemll {
namespace {

namespace fs = std::filesystem;

PrecomputeOptions options_in(const fs::path& folder) {
  PrecomputeOptions o;
  o.dataset.name = "org/data";
  o.output_dir = (folder / "kd").string();
  o.wandb_project = "caches";
  o.hub_token = "hf_secret";
  return o;
}

std::vector<fs::path> runs_in(const fs::path& folder) {
  std::vector<fs::path> runs;
  for (const auto& entry : fs::directory_iterator(folder / "wandb")) runs.push_back(entry.path());
  return runs;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(teacher_tracked_pass)

BOOST_AUTO_TEST_CASE(the_config_has_every_option_that_is_set_and_no_secret) {
  PrecomputeOptions o = options_in("/caches");
  o.map = {"instruction=question"};
  const auto config = nlohmann::json::parse(tracked_options(o));
  for (const char* name : {"teacher_model_name_or_path",
                           "teacher_revision",
                           "device",
                           "dataset_name",
                           "dataset_format",
                           "dataset_split",
                           "dataset_revision",
                           "dataset_text_field",
                           "enable_thinking",
                           "max_length",
                           "topk",
                           "rand_neg",
                           "payload",
                           "train_temperature",
                           "holdout",
                           "num_sequences",
                           "batch_size",
                           "shard_size",
                           "dtype",
                           "seed",
                           "output_dir"})
    BOOST_TEST(config.contains(name), name);
  const auto options = nlohmann::json::parse(make_precompute_table(o).json());
  for (const auto& [option, value] : options.items()) {
    if (option == "hf_token" || value.is_null()) continue;
    std::string name = option;
    std::ranges::replace(name, '-', '_');
    BOOST_TEST((config.contains(name) && config[name] == value), name);
  }
  BOOST_TEST(!config.contains("hf_token"));
  BOOST_TEST(config.dump().find("hf_secret") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_pass_that_told_nothing_yet_goes_on_in_its_run) {
  const test::TempDir dir;
  fs::create_directories(dir / "kd.precompute");
  const test::Capture quiet(2);
  { const TrackedPass first(options_in(dir.path()), dir / "kd.precompute"); }
  const std::vector<fs::path> before = runs_in(dir.path());
  TrackedPass second(options_in(dir.path()), dir / "kd.precompute");
  second.tell(8, 100, 1);
  second.end(0);
  BOOST_TEST(before.size() == 1U);
  BOOST_TEST((runs_in(dir.path()) == before));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
