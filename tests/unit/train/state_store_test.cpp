// Native checkpoints: what survives damage, a full disk and a killed writer.
#include "src/train/internal/state_store.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/formats/safetensors.hpp"
#include "src/core/hash.hpp"
#include "tests/support/file_limit.hpp"
#include "tests/support/temp_dir.hpp"

#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <unistd.h>

namespace fs = std::filesystem;
using anemll::BestState;
using anemll::DType;
using anemll::HostTensor;
using anemll::LazyTensor;
using anemll::SavedState;
using anemll::StateStore;
using anemll::test::TempDir;

namespace {

constexpr std::int64_t kValues = 50000;

std::vector<LazyTensor> tensors(float value) {
  HostTensor t = HostTensor::zeros(DType::f32, {kValues});
  auto* data = reinterpret_cast<float*>(t.mutable_bytes());
  for (std::int64_t i = 0; i < kValues; ++i) data[i] = value;
  return {anemll::lazy("w", t)};
}

float first_value(const SavedState& state) {
  return *reinterpret_cast<const float*>(state.parameters.find("w")->data);
}

/// `best`: the step that the state calls the best, itself by default.
void save(StateStore& store, std::int64_t step, std::int64_t best = -1) {
  const auto parameters = tensors(static_cast<float>(step));
  const auto optimizer = tensors(0.5F);
  store.save(step, {parameters, optimizer, "{\"step\": " + std::to_string(step) + "}", best < 0 ? step : best,
                    1.0 / (1.0 + static_cast<double>(best < 0 ? step : best))});
}

std::set<std::int64_t> steps(const fs::path& root) {
  std::set<std::int64_t> found;
  for (const auto& entry : fs::directory_iterator(root)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory() && name.starts_with("step_")) found.insert(std::stoll(name.substr(5)));
  }
  return found;
}

using Steps = std::set<std::int64_t>;

}  // namespace

BOOST_AUTO_TEST_SUITE(state_store)

BOOST_AUTO_TEST_CASE(round_trip_and_pruning) {
  const TempDir dir;
  StateStore store(dir.path());
  BOOST_TEST(!store.load_latest().has_value());
  store.save_frozen(tensors(7));
  for (std::int64_t step = 1; step <= 4; ++step) save(store, step);
  const auto state = store.load_latest();
  BOOST_REQUIRE(state.has_value());
  BOOST_TEST(state->step == 4);
  BOOST_TEST(first_value(*state) == 4.0F);
  BOOST_TEST(state->trainer_json == "{\"step\": 4}");
  BOOST_TEST(state->frozen.size() == 1U);
  BOOST_TEST((steps(dir / "state") == Steps{3, 4}));
  StateStore again(dir.path());
  BOOST_TEST(again.owns(*state));
  again.adopt(*state);
  save(again, 4);  // the same step once more, as after a resume
  BOOST_TEST(again.load_latest()->step == 4);
}

BOOST_AUTO_TEST_CASE(damage_falls_back_to_the_one_before) {
  for (const char* part :
       {"parameters.safetensors", "optimizer.safetensors", "trainer.json", "manifest.json"}) {
    const TempDir dir;
    StateStore store(dir.path());
    store.save_frozen(tensors(7));
    save(store, 1);
    save(store, 2);
    fs::resize_file(dir / "state/step_00000002" / part, 20);
    BOOST_TEST(store.load_latest()->step == 1, part);
    fs::remove(dir / "state/step_00000001" / part);
    BOOST_CHECK_THROW(store.load_latest(), anemll::Error);
  }
}

BOOST_AUTO_TEST_CASE(one_flipped_bit_is_noticed) {
  const TempDir dir;
  StateStore store(dir.path());
  store.save_frozen(tensors(7));
  save(store, 1);
  const fs::path file = dir / "state/step_00000001/parameters.safetensors";
  const int fd = ::open(file.c_str(), O_RDWR);
  char byte = 0;
  BOOST_REQUIRE(::pread(fd, &byte, 1, 5000) == 1);
  byte = static_cast<char>(byte ^ 1);
  BOOST_REQUIRE(::pwrite(fd, &byte, 1, 5000) == 1);
  ::close(fd);
  BOOST_CHECK_THROW(StateStore::load(dir / "state/step_00000001"), anemll::Error);
}

BOOST_AUTO_TEST_CASE(the_hint_fits_what_was_given) {
  const TempDir dir;
  const auto hint_has = [](const char* words) {
    return [words](const anemll::Error& e) { return std::string(e.hint()).find(words) != std::string::npos; };
  };
  std::ofstream(dir / "best_state_dict.pt") << "weights";
  BOOST_CHECK_EXCEPTION(StateStore::load(dir / "best_state_dict.pt"), anemll::Error,
                        hint_has("--v2-checkpoint"));
  BOOST_CHECK_EXCEPTION(StateStore::load(dir.path()), anemll::Error, hint_has("state/step_..."));
  BOOST_CHECK_EXCEPTION(StateStore::load(dir / "none"), anemll::Error,
                        [](const anemll::Error& e) { return e.problem() == "does not exist"; });
}

BOOST_AUTO_TEST_CASE(killed_writers_leave_drafts_that_nobody_reads) {
  const TempDir dir;
  StateStore store(dir.path());
  store.save_frozen(tensors(7));
  save(store, 1);
  fs::create_directories(dir / "state/step_00000002.tmp");
  for (const char* name :
       {"frozen.draft.safetensors", "frozen.draft.safetensors.tmp.12", "latest.tmp.3", "best.tmp.4"})
    std::ofstream(dir / "state" / name) << "half";
  std::ofstream(dir / "state/notes.tmp") << "a person's";
  BOOST_TEST(store.load_latest()->step == 1);
  store.recover();
  std::set<std::string> left;
  for (const auto& entry : fs::directory_iterator(dir / "state")) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("frozen-")) left.insert(name);
  }
  const std::set<std::string> expected = {"best", "latest", "notes.tmp", "step_00000001"};
  BOOST_TEST(left == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(whole_folders_decide_whatever_latest_says) {
  const TempDir dir;
  StateStore store(dir.path());
  store.save_frozen(tensors(7));
  save(store, 1);
  save(store, 2);
  for (const char* text : {"", "\n", "step_00000001\n", "step_00000009\n", "nonsense"}) {
    std::ofstream(dir / "state/latest", std::ios::trunc) << text;
    BOOST_TEST(store.load_latest()->step == 2, text);
  }
  fs::remove(dir / "state/latest");
  BOOST_TEST(store.load_latest()->step == 2);
  // A folder under another step's name is not that step.
  fs::copy(dir / "state/step_00000002", dir / "state/step_00000005", fs::copy_options::recursive);
  BOOST_TEST(store.load_latest()->step == 2);
}

BOOST_AUTO_TEST_CASE(full_disk_loses_nothing) {
  const TempDir dir;
  StateStore store(dir.path());
  store.save_frozen(tensors(7));
  save(store, 1);
  {
    const anemll::test::FileLimit limit(100000);  // smaller than the tensors
    BOOST_CHECK_EXCEPTION(save(store, 2), anemll::Error,
                          [](const anemll::Error& e) { return e.code() == anemll::ExitCode::data; });
  }
  BOOST_TEST(store.load_latest()->step == 1);
  BOOST_TEST(!fs::exists(dir / "state/step_00000002.tmp"));
  save(store, 2);
  BOOST_TEST(store.load_latest()->step == 2);
}

BOOST_AUTO_TEST_CASE(states_of_another_future_are_resumed_by_name) {
  const TempDir dir;
  StateStore store(dir.path());
  store.save_frozen(tensors(7));
  save(store, 1, 1);
  save(store, 2, 1);
  save(store, 3, 1);
  const auto place = store.go_back(2, [](const fs::path& to) { std::ofstream(to / "log") << "3"; });
  BOOST_REQUIRE(place.has_value());
  BOOST_TEST(store.load_latest()->step == 2);
  BOOST_TEST(fs::exists(*place / "log"));
  BOOST_TEST((steps(*place) == Steps{1, 3}));  // with its best
  for (const fs::path& name : {*place, *place / "step_00000003"}) {
    const auto state = StateStore::load(name);
    BOOST_TEST(state.step == 3);
    BOOST_TEST(state.best->step == 1);
  }
  // Back in the run's folder: it and its best are there again, and the other future is kept.
  const auto again = StateStore::load(*place);
  BOOST_TEST(!store.owns(again));
  BOOST_TEST(store.go_back(-1, {})->filename() == "abandoned-2");
  BOOST_TEST(!store.has_states());
  store.adopt(again);
  BOOST_TEST((steps(dir / "state") == Steps{1, 3}));
  BOOST_TEST(store.load_latest()->step == 3);
  BOOST_TEST(first_value(*store.load_latest()) == 3.0F);
  BOOST_TEST(*reinterpret_cast<const float*>(store.best_parameters(*again.best)->find("w")->data) == 1.0F);
}

BOOST_AUTO_TEST_CASE(going_back_survives_a_kill) {
  const TempDir dir;
  StateStore store(dir.path());
  store.save_frozen(tensors(7));
  save(store, 1);
  save(store, 2);
  save(store, 3, 1);
  // Killed while the folder was prepared: nobody went back.
  fs::create_directories(dir / "state/abandoned-1.moving");
  std::ofstream(dir / "state/abandoned-1.moving/training_log.csv") << "rows";
  store.recover();
  BOOST_TEST(fs::exists(dir / "state/abandoned-1/training_log.csv"));
  BOOST_TEST(store.load_latest()->step == 3);
  // Killed between the renames: the next start goes back all the way.
  fs::create_directories(dir / "state/abandoned-2.moving");
  std::ofstream(dir / "state/abandoned-2.moving/behind") << "1";
  fs::rename(dir / "state/step_00000003", dir / "state/abandoned-2.moving/step_00000003");
  store.recover();
  BOOST_TEST((steps(dir / "state") == Steps{1}));
  BOOST_TEST((steps(dir / "state/abandoned-2") == Steps{2, 3}));
  BOOST_TEST(store.load_latest()->step == 1);
}

BOOST_AUTO_TEST_CASE(the_best_is_kept_recorded_and_compared) {
  const TempDir dir;
  const fs::path file = dir / "best_state_dict.pt";
  StateStore store(dir.path());
  store.save_frozen(tensors(7));
  for (std::int64_t step = 0; step <= 2; ++step) save(store, step);
  for (std::int64_t step = 3; step <= 9; ++step) save(store, step, 2);
  BOOST_TEST((steps(dir / "state") == Steps{2, 8, 9}));
  BOOST_TEST(store.named_best().value() == 2);
  const BestState best = *store.load_latest()->best;
  BOOST_TEST(best.step == 2);
  BOOST_TEST(best.loss == 1.0 / 3.0);
  BOOST_TEST(*reinterpret_cast<const float*>(store.best_parameters(best)->find("w")->data) == 2.0F);

  const auto why = [&] {
    const auto difference = store.compare_best_file(best, file);
    return difference ? (difference->someone_elses ? "its: " : "ours: ") + difference->why : std::string();
  };
  BOOST_TEST(why() == "ours: best_state_dict.pt is missing");
  std::ofstream(file) << "weights";
  BOOST_TEST(why() == "ours: best_state_dict.pt was not written yet");  // killed between state and copy
  store.record_best_file(file);
  BOOST_TEST(why().empty());
  save(store, 10, 2);
  BOOST_TEST(why().empty());  // the record outlives a save
  std::ofstream(file, std::ios::trunc) << "WEIGHTS";
  BOOST_TEST(why() == "its: best_state_dict.pt has another SHA-256 than the run wrote");
  std::ofstream(file, std::ios::trunc) << "other weights";
  BOOST_TEST(why() == "its: best_state_dict.pt has another size than the run wrote");
  save(store, 11);
  BOOST_TEST(why() == "its: state/best names step 11, the best of the resumed state is step 2");
  fs::remove(dir / "state/best");
  BOOST_TEST(why() == "its: state/best is missing or damaged");
  // Another state under the best one's name.
  fs::remove_all(dir / "state/step_00000002");
  BOOST_TEST(!store.best_parameters(best).has_value());
}

BOOST_AUTO_TEST_CASE(saved_again_without_a_step_only_the_words_are_written) {
  const TempDir dir;
  StateStore store(dir.path());
  store.save_frozen(tensors(7));
  save(store, 1);
  const auto parameters = tensors(99);  // must not be looked at
  store.save(1, {parameters, parameters, "{\"again\": true}", 1, 0.25});
  const auto state = store.load_latest();
  BOOST_TEST(first_value(*state) == 1.0F);
  BOOST_TEST(state->trainer_json == "{\"again\": true}");
  BOOST_TEST(state->best->loss == 0.25);
}

BOOST_AUTO_TEST_CASE(values_that_are_not_finite_are_never_saved_nor_resumed) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    for (const bool in_moments : {false, true}) {
      const TempDir dir;
      StateStore store(dir.path());
      store.save_frozen(tensors(7));
      save(store, 1);
      save(store, 2);
      const auto good = tensors(1);
      const auto spoilt = tensors(bad);
      BOOST_CHECK_EXCEPTION(
          store.save(3, {in_moments ? good : spoilt, in_moments ? spoilt : good, "{}", 3, 0.0}),
          anemll::Error, [](const anemll::Error& e) {
            return e.code() == anemll::ExitCode::numerics && e.problem().starts_with("w has");
          });
      BOOST_TEST((steps(dir / "state") == Steps{1, 2}));
      BOOST_TEST(store.load_latest()->step == 2);
    }
  }
}

// Earlier versions saved such states: sums and manifest fit.
BOOST_AUTO_TEST_CASE(a_state_that_is_not_finite_is_refused_and_the_good_one_before_it_named) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto spoil = [&](const fs::path& state, const char* part) {
    const auto manifest = state / "manifest.json";
    const std::string before = anemll::sha256_file(state / part);
    anemll::write_safetensors(state / part, tensors(nan));
    std::string text = anemll::read_text(manifest);
    const std::string after = anemll::sha256_file(state / part);
    for (std::size_t at; (at = text.find(before)) != std::string::npos;)
      text.replace(at, before.size(), after);  // of the file, and of the best
    anemll::write_file(manifest, text);
  };
  for (const char* part : {"parameters.safetensors", "optimizer.safetensors"}) {
    const TempDir dir;
    StateStore store(dir.path());
    store.save_frozen(tensors(7));
    save(store, 1);
    save(store, 2);
    const fs::path newest = dir / "state" / "step_00000002", older = dir / "state" / "step_00000001";
    spoil(newest, part);
    const auto refused = [&](const std::string& hint) {
      return [&, hint](const anemll::Error& e) {
        BOOST_TEST(e.hint().find(hint) != std::string::npos, e.hint());
        return e.code() == anemll::ExitCode::data && e.problem().starts_with("w holds") &&
               e.where().find(part) != std::string::npos;
      };
    };
    BOOST_CHECK_EXCEPTION(store.load_latest(), anemll::Error, refused("--resume " + older.string()));
    BOOST_CHECK_EXCEPTION(StateStore::load(newest), anemll::Error, refused(older.string()));
    BOOST_CHECK_EXCEPTION(StateStore::load(dir.path()), anemll::Error, refused(older.string()));
    BOOST_TEST(StateStore::load(older).step == 1);
    spoil(older, part);
    BOOST_CHECK_EXCEPTION(store.load_latest(), anemll::Error, refused("no earlier state is good"));
  }
}

BOOST_AUTO_TEST_CASE(frozen_tensors_that_are_not_finite_are_not_saved) {
  const TempDir dir;
  StateStore store(dir.path());
  BOOST_CHECK_EXCEPTION(store.save_frozen(tensors(std::numeric_limits<float>::infinity())), anemll::Error,
                        [](const anemll::Error& e) {
                          return e.code() == anemll::ExitCode::numerics && e.problem().starts_with("w has");
                        });
}

BOOST_AUTO_TEST_CASE(a_copied_run_is_taken_over_with_its_best) {
  const TempDir here;
  const TempDir there;
  StateStore first(here.path());
  first.save_frozen(tensors(7));
  save(first, 1);
  save(first, 2, 1);
  StateStore second(there.path());
  const auto state = StateStore::load(here.path());
  second.adopt(state);
  save(second, 3, 1);
  fs::remove_all(here / "state");
  const auto mine = second.load_latest();
  BOOST_TEST(mine->step == 3);
  BOOST_TEST(second.best_parameters(*mine->best).has_value());
}

BOOST_AUTO_TEST_CASE(a_save_killed_between_its_renames_is_found) {
  const TempDir dir;
  StateStore store(dir.path());
  store.save_frozen(tensors(7));
  save(store, 1);
  fs::rename(dir / "state/step_00000001", dir / "state/step_00000001.old");
  BOOST_TEST(store.load_latest()->step == 1);
  fs::remove_all(dir / "state/step_00000001.old");
  BOOST_CHECK_THROW(store.load_latest(),
                    anemll::Error);  // `latest` promises one: starting over would overwrite the run
}

BOOST_AUTO_TEST_CASE(a_trailing_slash_is_no_other_folder) {
  const TempDir dir;
  StateStore store(dir.path());
  store.save_frozen(tensors(7));
  save(store, 1);
  const auto state = StateStore::load((dir / "state/step_00000001").string() + "/");
  BOOST_TEST(state.step == 1);
  BOOST_TEST(StateStore(dir.path()).owns(state));
}

BOOST_AUTO_TEST_SUITE_END()
