// How a recipe goes, by made-up folders: which training is shown, which stage is at work, when it is done.
#include "src/runs/recipe_status.hpp"

#include "anemll/core/file.hpp"
#include "src/core/file_lock.hpp"
#include "src/core/lock_holder.hpp"
#include "tests/support/temp_dir.hpp"

#include <chrono>
#include <filesystem>
#include <string>

#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

namespace fs = std::filesystem;

/// OUT with its stages. Files are as launch/stages.sh and launch/report.sh write them.
struct Recipe {
  TempDir dir;
  fs::path out = dir / "out", stages = out / "stages";

  Recipe() { fs::create_directories(stages); }
  RecipeStatus look() const {
    const auto status = look_at_recipe(out);
    BOOST_REQUIRE(status.has_value());
    return *status;
  }
  void train(const std::string& name, std::chrono::seconds ago) const {
    fs::create_directories(out / name);
    write_file(out / name / "metrics.jsonl", "{\"kind\":\"train\",\"step\":1,\"loss\":1}\n");
    fs::last_write_time(out / name / "metrics.jsonl", fs::file_time_type::clock::now() - ago);
  }
  void begin(const std::string& name) const {
    write_file(stages / (name + ".started"), "attempts=1\nseconds=0\n");
  }
  void end(const std::string& name) const {
    write_file(stages / (name + ".done"), "attempts=1\nseconds=3\n");
    fs::remove(stages / (name + ".started"));
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(runs_recipe)

BOOST_FIXTURE_TEST_CASE(other_folders_are_no_recipe, Recipe) {
  BOOST_TEST(!look_at_recipe(dir.path()).has_value());
  BOOST_TEST(!look_at_recipe(dir / "none").has_value());
  BOOST_TEST(look_at_recipe(out).has_value());
  write_file(out / "metrics.jsonl", "");  // a run of its own
  BOOST_TEST(!look_at_recipe(out).has_value());
}

BOOST_FIXTURE_TEST_CASE(the_training_that_was_written_to_last, Recipe) {
  BOOST_TEST(!look().training.has_value());
  fs::create_directories(out / "cache");
  BOOST_TEST(!look().training.has_value());
  train("v1", std::chrono::seconds(50));
  train("earlier-1", std::chrono::seconds(0));
  BOOST_TEST((look().training == out / "v1"));
  train("v2", std::chrono::seconds(5));
  BOOST_TEST((look().training == out / "v2"));
  train("v1", std::chrono::seconds(1));  // it runs anew
  BOOST_TEST((look().training == out / "v1"));
}

BOOST_FIXTURE_TEST_CASE(stages_until_all_are_done, Recipe) {
  BOOST_TEST((look().stage.empty() && !look().over));
  begin("v1");
  BOOST_TEST((look().stage == "v1" && !look().over));
  end("v1");
  BOOST_TEST((look().stage.empty() && !look().over));
  write_file(stages / "recipe", "recipe=two\nstages=v1 v2\nmodel=M\n");
  BOOST_TEST(!look().over);  // v2 is not
  end("v2");
  BOOST_TEST(look().over);
  begin("v2");  // with other inputs
  BOOST_TEST((look().stage == "v2" && !look().over));
  fs::remove(stages / "v2.started");
  fs::remove(stages / "v2.done");
  BOOST_TEST(!look().over);
}

BOOST_FIXTURE_TEST_CASE(who_holds_it_is_at_work, Recipe) {
  BOOST_TEST(!look().held);
  FileLock lock;
  BOOST_REQUIRE(lock.take(stages / "lock"));
  BOOST_TEST(look().held == lock_holder(stages / "lock").has_value());  // not on every file system
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
