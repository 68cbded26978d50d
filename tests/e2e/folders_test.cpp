// A run's folder from the outside: no result of an earlier run is lost, whatever is typed; the best weights
// are one truth; a run ends with trained weights and rows in its log.
#include "anemll/formats/torch_file.hpp"
#include "src/core/hash.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"
#include "tests/support/train_run.hpp"

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;
using test::train_command;

namespace {

using Files = std::map<std::string, std::string>;

/// One finished run that every test copies.
const fs::path& finished_run() {
  static const test::TempDir folder;
  static const bool made = [] {
    const auto result = test::run(train_command(folder.path(), "--max-steps 12"));
    BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
    return true;
  }();
  (void)made;
  return folder.path();
}

void copy_run(const fs::path& to) {
  fs::copy(finished_run(), to, fs::copy_options::recursive);
}

fs::path last_weights(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("v2_q2a4_fp32_")) return entry.path();
  }
  return {};
}

/// Every file of `before` lies below `folder` with the same content. The import of the cache stays where it
/// is: it belongs to the cache, and the next run uses it.
void expect_all(const Files& before, const fs::path& folder, const std::string& what) {
  for (const auto& [name, content] : before)
    if (!name.starts_with("kd_cache/"))
      BOOST_TEST(test::read_all(folder / name) == content, what << ": " << name);
}

bool same_weights(const fs::path& a, const fs::path& b) {
  const anemll::TensorMap left = anemll::read_state_dict(a);
  const anemll::TensorMap right = anemll::read_state_dict(b);
  if (left.size() != right.size()) return false;
  for (const auto& [name, tensor] : left) {
    const anemll::HostTensor* other = right.find(name);
    if (other == nullptr || std::memcmp(tensor.data, other->data, tensor.bytes()) != 0) return false;
  }
  return true;
}

nlohmann::json best_of(const fs::path& folder) {
  return nlohmann::json::parse(test::read_all(folder / "state/best"));
}

/// What state/best says holds for the state that it names and for the file.
void expect_one_truth(const fs::path& folder) {
  const nlohmann::json best = best_of(folder);
  const fs::path state = folder / "state" / best.at("state").get<std::string>();
  BOOST_TEST(anemll::sha256_file(state / "parameters.safetensors") == best.at("sha256").get<std::string>());
  BOOST_TEST(anemll::sha256_file(folder / "best_state_dict.pt") ==
             best.at("file").at("sha256").get<std::string>());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(folders)

BOOST_AUTO_TEST_CASE(the_same_command_again_keeps_the_earlier_run_whole) {
  const test::TempDir out;
  copy_run(out.path());
  const Files before = test::content_of(out.path());
  const auto again = test::run(train_command(out.path(), "--max-steps 6"));
  BOOST_REQUIRE_MESSAGE(again.code == 0, again.output);
  expect_all(before, out / "earlier-1", "again");
  BOOST_TEST(test::read_csv(out / "training_log.csv").back().step == 6);
  // As it is, by folder and by name.
  const auto goes_on = test::run(train_command(out / "earlier-1", "--max-steps 15 --resume auto"));
  BOOST_TEST(goes_on.code == 0, goes_on.output);
  BOOST_TEST(goes_on.output.find("at step 12 of 15") != std::string::npos, goes_on.output);
  const auto by_name =
      test::run(train_command(out.path(), "--max-steps 18 --resume " + (out / "earlier-1").string()));
  BOOST_TEST(by_name.code == 0, by_name.output);
  BOOST_TEST(by_name.output.find("at step 15 of 18") != std::string::npos, by_name.output);
  BOOST_TEST(test::read_csv(out / "earlier-2/training_log.csv").back().step == 6);
  expect_one_truth(out.path());
}

BOOST_AUTO_TEST_CASE(a_run_goes_on_from_a_checkpoint_in_its_folder) {
  for (const std::string name : {"v2", "best_state_dict.pt", "checkpoint_step9.pt", "checkpoint.pt"}) {
    const test::TempDir out;
    copy_run(out.path());
    if (name == "checkpoint.pt") fs::copy_file(out / "best_state_dict.pt", out / name);
    const fs::path source = name == "v2" ? last_weights(out.path()) : out / name;
    const Files before = test::content_of(out.path());
    const auto result = test::run(train_command(out.path(), "--max-steps 6 --keep-checkpoints 1", source));
    BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
    expect_all(before, out / "earlier-1", name);
    BOOST_TEST(fs::exists(source), name);
    const auto config = nlohmann::json::parse(test::read_all(out / "config.json"));
    BOOST_TEST(same_weights(config.at("source_checkpoint").get<std::string>(),
                            out / "earlier-1" / source.filename()));
    const auto goes_on = test::run(train_command(out / "earlier-1", "--max-steps 15 --resume auto"));
    BOOST_TEST(goes_on.code == 0, goes_on.output);
  }
}

BOOST_AUTO_TEST_CASE(a_first_run_into_a_converters_folder) {
  const test::TempDir out;
  fs::copy_file(test::golden("nano/v2_q2a4_init.pt"), out / "q2_init.pt");
  std::ofstream(out / "config.json")
      << R"({"version": "v2", "model_id": "nano", "converted_from": "q4_a4", "lut_bits": 2, )"
      << R"("attn_lut_bits": 4, "scale_rank": 32, "attn_scale_rank": 8})";
  const Files before = test::content_of(out.path());
  const auto result = test::run(train_command(out.path(), "--max-steps 3", out / "q2_init.pt"));
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  BOOST_TEST(test::read_all(out / "q2_init.pt") == before.at("q2_init.pt"));
  expect_all(before, out / "earlier-1", "converter");
  // Once more: the source is still the source.
  const auto again = test::run(train_command(out.path(), "--max-steps 3", out / "q2_init.pt"));
  BOOST_TEST(again.code == 0, again.output);
  BOOST_TEST(test::read_all(out / "q2_init.pt") == before.at("q2_init.pt"));
  BOOST_TEST(fs::exists(out / "earlier-2/training_log.csv"));
}

BOOST_AUTO_TEST_CASE(a_models_folder_is_refused_unchanged) {
  const test::TempDir out;
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json"})
    fs::copy_file(test::golden("nano") / name, out / name);
  const Files before = test::content_of(out.path());
  for (const char* flags : {"--max-steps 3", "--max-steps 3 --resume auto", "--dry-run"}) {
    const auto result = test::run(train_command(out.path(), flags));
    BOOST_TEST(result.code == 2, result.output);
    BOOST_TEST((test::content_of(out.path()) == before));
    BOOST_TEST(!fs::exists(out / ".lock"));
  }
}

BOOST_AUTO_TEST_CASE(resume_auto_without_a_state_says_so_and_keeps_what_is_there) {
  const test::TempDir out;
  copy_run(out.path());
  fs::remove_all(out / "state");
  const Files before = test::content_of(out.path());
  const auto result = test::run(train_command(out.path(), "--max-steps 3 --resume auto"));
  BOOST_TEST(result.code == 0, result.output);
  BOOST_TEST(result.output.find("no state yet") != std::string::npos, result.output);
  expect_all(before, out / "earlier-1", "no state");
}

BOOST_AUTO_TEST_CASE(a_command_that_fails_moves_nothing) {
  const test::TempDir out;
  copy_run(out.path());
  const Files before = test::content_of(out.path());
  BOOST_TEST(test::run(train_command(out.path(), "--max-steps 3 --cache-dir /no/such/cache")).code != 0);
  BOOST_TEST(test::run(train_command(out.path(), "--max-steps 3 --dry-run")).code == 0);
  BOOST_TEST(test::run(train_command(out.path(), "--max-steps 3", out / "absent.pt")).code != 0);
  Files after = test::content_of(out.path());
  BOOST_TEST((after == before));
}

BOOST_AUTO_TEST_CASE(a_first_state_is_there_before_the_first_step) {
  const test::TempDir out;
  const auto result =
      test::run(train_command(out.path(), "--max-steps 2 --save-steps 0 --eval-steps 0 --logging-steps 1"));
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  BOOST_TEST(fs::exists(out / "state/step_00000000/manifest.json"));
}

BOOST_AUTO_TEST_CASE(states_without_copies) {
  const test::TempDir out;
  // It goes on for long: it is killed as soon as there is a state of a step.
  const std::string command = train_command(
      out.path(), "--max-steps 4000 --save-steps 0 --eval-steps 0 --state-steps 5 --resume auto");
  const std::string latest = (out / "state/latest").string();
  const auto killed =
      test::run("{ " + command + " & child=$!; while kill -0 $child 2>/dev/null && ! grep -qs " +
                "'step_000000[1-9]' " + latest + "; do sleep 0.02; done; kill -KILL $child; wait $child; }");
  BOOST_TEST(killed.code == 137, killed.output);
  for (const auto& entry : fs::directory_iterator(out.path()))
    BOOST_TEST(!entry.path().filename().string().starts_with("checkpoint_step"), entry.path());
  const auto rest =
      test::run(train_command(out.path(), "--max-steps 4000 --save-steps 0 --resume auto --dry-run"));
  BOOST_TEST(rest.code == 0, rest.output);
  const std::size_t at = rest.output.find(" at step ");
  BOOST_REQUIRE_MESSAGE(at != std::string::npos, rest.output);
  BOOST_TEST(std::stoi(rest.output.substr(at + 9)) >= 5, rest.output);
}

BOOST_AUTO_TEST_CASE(starts_that_are_killed_lose_nothing) {
  const test::TempDir out;
  copy_run(out.path());
  const Files before = test::content_of(out.path());
  // New runs, killed while they check, while they move what is there, and while they begin.
  for (int delay = 60; delay < 400; delay += 48) {
    test::start_and_kill(train_command(out.path(), "--max-steps 400 --save-steps 1"),
                         std::chrono::milliseconds(delay));
  }
  const auto last = test::run(train_command(out.path(), "--max-steps 3"));
  BOOST_REQUIRE_MESSAGE(last.code == 0, last.output);
  expect_all(before, out / "earlier-1", "killed starts");
  for (const auto& [name, content] : test::content_of(out.path()))
    BOOST_TEST((name.find(".tmp") == std::string::npos && name.find(".moving") == std::string::npos), name);
  const auto goes_on = test::run(train_command(out / "earlier-1", "--max-steps 15 --resume auto"));
  BOOST_TEST(goes_on.code == 0, goes_on.output);
  BOOST_TEST(goes_on.output.find("at step 12 of 15") != std::string::npos, goes_on.output);
}

BOOST_AUTO_TEST_CASE(the_best_is_one_truth) {
  const test::TempDir out;
  copy_run(out.path());
  expect_one_truth(out.path());
  const std::string best = test::read_all(out / "best_state_dict.pt");
  const std::string resume = "--max-steps 12 --resume auto";
  {  // nothing to say
    const auto result = test::run(train_command(out.path(), resume));
    BOOST_TEST(result.output.find("written from") == std::string::npos, result.output);
  }
  {  // gone
    fs::remove(out / "best_state_dict.pt");
    const auto result = test::run(train_command(out.path(), resume));
    BOOST_TEST(result.output.find("best_state_dict.pt is not there") != std::string::npos, result.output);
    BOOST_TEST((test::read_all(out / "best_state_dict.pt") == best));
  }
  {  // another run's: kept, and ours is there again
    fs::remove(out / "best_state_dict.pt");
    fs::copy_file(test::golden("nano/v2_q2a4_trained.pt"), out / "best_state_dict.pt");
    const auto result = test::run(train_command(out.path(), resume));
    BOOST_TEST(result.output.find("than the run wrote") != std::string::npos, result.output);
    BOOST_TEST((test::read_all(out / "best_state_dict.pt") == best));
    BOOST_TEST((test::read_all(out / "earlier-1/best_state_dict.pt") ==
                test::read_all(test::golden("nano/v2_q2a4_trained.pt"))));
  }
  {  // states moved back by hand: the state's record counts
    fs::remove_all(out / "state/step_00000012");
    const auto result = test::run(train_command(out.path(), resume + " --save-steps 0 --dry-run"));
    BOOST_TEST(result.code == 0, result.output);
    const auto again = test::run(train_command(out.path(), resume));
    BOOST_TEST(again.code == 0, again.output);
    BOOST_TEST(again.output.find("state/best names step") != std::string::npos, again.output);
    expect_one_truth(out.path());
    BOOST_TEST((test::read_all(out / "best_state_dict.pt") == best));  // found again at the same step
  }
}

BOOST_AUTO_TEST_CASE(without_evaluations_the_last_weights_are_the_best) {
  const test::TempDir out;
  const auto result = test::run(train_command(
      out.path(), "--max-steps 15 --eval-samples 0 --eval-steps 0 --save-steps 0 --logging-steps 20"));
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  BOOST_TEST(result.output.find("best_state_dict.pt holds the last weights") != std::string::npos,
             result.output);
  BOOST_TEST(same_weights(out / "best_state_dict.pt", last_weights(out.path())));
  BOOST_TEST(!same_weights(out / "best_state_dict.pt", test::golden("nano/v2_q2a4_init.pt")));
  const auto rows = test::read_csv(out / "training_log.csv");
  BOOST_REQUIRE_EQUAL(rows.size(), 1U);
  BOOST_TEST(rows[0].step == 15);
  BOOST_TEST(!rows[0].train.empty());
  BOOST_TEST(best_of(out.path()).at("step") == 15);
  expect_one_truth(out.path());
  const auto snapped = test::run(
      test::bin("anemll_snap") + " --checkpoint " + (out / "best_state_dict.pt").string() + " --model-id " +
      test::golden("nano").string() + " --fp16 --output " + (out / "snap").string());
  BOOST_TEST(snapped.code == 0, snapped.output);
}

BOOST_AUTO_TEST_CASE(weights_that_are_not_finite_are_not_saved) {
  const test::TempDir out;
  // Warm-up 0 and an absurd rate: the first update leaves finite losses behind it for one step at most.
  const auto result = test::run(train_command(
      out.path(),
      "--max-steps 12 --save-steps 1 --eval-steps 0 --lr 1e38 --warmup-steps 0 --weight-decay 10"));
  BOOST_TEST(result.code == 5, result.output);
  const auto next = test::run(train_command(out.path(), "--max-steps 12 --resume auto --dry-run"));
  BOOST_TEST(next.output.find("passed over") == std::string::npos, next.output);
  BOOST_TEST(next.output.find("resumed") != std::string::npos, next.output);
}

BOOST_AUTO_TEST_CASE(a_log_that_cannot_be_written_does_not_end_the_run) {
  const test::TempDir out;
  copy_run(out.path());
  fs::remove(out / "metrics.jsonl");
  fs::create_symlink("/dev/full", out / "metrics.jsonl");
  const auto result = test::run(train_command(out.path(), "--max-steps 15 --resume auto"));
  BOOST_TEST(result.code == 0, result.output);
  BOOST_TEST(result.output.find("a log is not written") != std::string::npos, result.output);
  BOOST_TEST(fs::exists(out / "state/step_00000015"));
}

BOOST_AUTO_TEST_CASE(a_copy_that_could_not_be_written_comes_after_the_resume) {
  const test::TempDir out;
  copy_run(out.path());
  fs::remove_all(out / "state/step_00000012");
  fs::remove(out / "checkpoint_step12.pt");
  fs::create_directories(out / "checkpoint_step12.pt/in the way");
  const auto failed = test::run(train_command(out.path(), "--max-steps 15 --resume auto"));
  BOOST_TEST(failed.code == 3, failed.output);
  BOOST_TEST(fs::exists(out / "state/step_00000012"));  // before the copy
  fs::remove_all(out / "checkpoint_step12.pt");
  const auto result = test::run(train_command(out.path(), "--max-steps 15 --resume auto"));
  BOOST_TEST(result.code == 0, result.output);
  BOOST_TEST(result.output.find("at step 12 of 15") != std::string::npos, result.output);
  BOOST_TEST(fs::is_regular_file(out / "checkpoint_step12.pt"));
}

BOOST_AUTO_TEST_CASE(checkpoints_rotate_by_step) {
  const test::TempDir out;
  copy_run(out.path());
  // As a copy of the folder may have it: the oldest step is the newest file.
  fs::last_write_time(out / "checkpoint_step3.pt", fs::file_time_type::clock::now() + std::chrono::hours(1));
  fs::copy_file(out / "checkpoint_step3.pt", out / "checkpoint_step03.pt");  // somebody's own copy
  const auto result =
      test::run(train_command(out.path(), "--max-steps 15 --resume auto --keep-checkpoints 2"));
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  for (const auto& [name, kept] : std::map<std::string, bool>{{"checkpoint_step3.pt", false},
                                                              {"checkpoint_step03.pt", true},
                                                              {"checkpoint_step9.pt", false},
                                                              {"checkpoint_step12.pt", true},
                                                              {"checkpoint_step15.pt", true}})
    BOOST_TEST(fs::exists(out / name) == kept, name);
}

BOOST_AUTO_TEST_CASE(leftovers_of_killed_writers_go_at_the_next_start) {
  const test::TempDir out;
  copy_run(out.path());
  for (const char* name : {"best_state_dict.pt.tmp.4711", "state/latest.tmp.12",
                           "state/frozen.draft.safetensors", "checkpoint_step30.pt.tmp.9"})
    std::ofstream(out / name) << "half";
  fs::create_directories(out / "state/step_00000030.tmp");
  BOOST_TEST(test::run(train_command(out.path(), "--max-steps 12 --resume auto")).code == 0);
  for (const auto& [name, content] : test::content_of(out.path()))
    BOOST_TEST((name.find(".tmp") == std::string::npos && name.find("draft") == std::string::npos), name);
}

BOOST_AUTO_TEST_CASE(a_snap_keeps_the_one_before) {
  const test::TempDir out;
  const auto snap = [&](const std::string& checkpoint, const fs::path& to) {
    return test::run(test::bin("anemll_snap") + " --checkpoint " + checkpoint + " --model-id " +
                     test::golden("nano").string() + " --fp16 --output " + to.string());
  };
  const std::string trained = test::golden("nano/v2_q2a4_trained.pt").string();
  BOOST_REQUIRE_EQUAL(snap(trained, out / "snap").code, 0);
  const Files before = test::content_of(out / "snap");
  BOOST_REQUIRE_EQUAL(snap(test::golden("nano/v2_q2a4_init.pt").string(), out / "snap").code, 0);
  expect_all(before, out / "snap/earlier-1", "snap");
  // Into a model's folder, into a run's, onto its own source.
  for (const char* name : {"config.json", "model.safetensors"}) {
    const test::TempDir model;
    fs::copy_file(test::golden("nano") / name, model / name);
    BOOST_TEST(snap(trained, model.path()).code == 2, name);
    BOOST_TEST(test::content_of(model.path()).size() == 1U);
  }
  const test::TempDir run;
  copy_run(run.path());
  const Files untouched = test::content_of(run.path());
  BOOST_TEST(snap((run / "best_state_dict.pt").string(), run.path()).code == 2);
  BOOST_TEST(snap((run / "best_state_dict.pt").string(), run / "best_state_dict.pt").code == 2);
  BOOST_TEST(snap((out / "snap/model_state_dict.pt").string(), out / "snap").code == 2);
  BOOST_TEST((test::content_of(run.path()) == untouched));
}

BOOST_AUTO_TEST_SUITE_END()
