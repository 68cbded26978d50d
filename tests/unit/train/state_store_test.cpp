// Native checkpoints: what survives damage, a full disk and a killed writer.
#include "anemll/train/state_store.hpp"

#include "anemll/core/error.hpp"
#include "tests/support/file_limit.hpp"
#include "tests/support/temp_dir.hpp"

#include <filesystem>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <unistd.h>

namespace fs = std::filesystem;
using anemll::DType;
using anemll::HostTensor;
using anemll::LazyTensor;
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

float first_value(const StateStore::Loaded& state) {
  return *reinterpret_cast<const float*>(state.parameters.find("w")->data);
}

void save(StateStore& store, std::int64_t step) {
  store.save(step, tensors(static_cast<float>(step)), tensors(0.5F),
             "{\"step\": " + std::to_string(step) + "}");
}

std::size_t step_folders(const TempDir& dir) {
  std::size_t n = 0;
  for (const auto& entry : fs::directory_iterator(dir / "state")) {
    if (entry.is_directory()) ++n;
  }
  return n;
}

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
  BOOST_TEST(step_folders(dir) == 2U);
  StateStore again(dir.path());
  BOOST_TEST(again.adopt_frozen(*state));
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

BOOST_AUTO_TEST_CASE(killed_writers_leave_drafts_that_nobody_reads) {
  const TempDir dir;
  StateStore store(dir.path());
  store.save_frozen(tensors(7));
  save(store, 1);
  fs::create_directories(dir / "state/step_00000002.tmp");
  BOOST_TEST(store.load_latest()->step == 1);
  // Renamed, but killed before `latest` moved: the older one counts, and the next save of that step replaces
  // it.
  fs::copy(dir / "state/step_00000001", dir / "state/step_00000002", fs::copy_options::recursive);
  BOOST_TEST(store.load_latest()->step == 1);
  save(store, 2);
  BOOST_TEST(store.load_latest()->step == 2);
  BOOST_TEST(first_value(*store.load_latest()) == 2.0F);
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

BOOST_AUTO_TEST_CASE(a_new_run_does_not_inherit_the_old_ones_states) {
  const TempDir dir;
  StateStore store(dir.path());
  store.save_frozen(tensors(7));
  for (std::int64_t step = 1; step <= 3; ++step) save(store, step);
  store.abandon_after(2);
  BOOST_TEST(store.load_latest()->step == 2);
  store.abandon_after(-1);
  BOOST_TEST(!store.load_latest().has_value());
  BOOST_TEST(fs::exists(dir / "state/abandoned-1/step_00000003"));
  BOOST_TEST(fs::exists(dir / "state/abandoned-2/step_00000002"));
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
  BOOST_TEST(StateStore(dir.path()).adopt_frozen(state));
}

BOOST_AUTO_TEST_SUITE_END()
