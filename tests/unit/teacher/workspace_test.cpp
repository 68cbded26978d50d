// What there is to do for an output folder, in every state that earlier runs can leave.
#include "src/teacher/internal/workspace.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/core/hash.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/data/synthetic_cache.hpp"

#include <string>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace anemll {
namespace {

namespace fs = std::filesystem;
using State = Workspace::State;
using Json = nlohmann::json;
constexpr const char* kIdentity = R"({"seed":1})";

/// Where the work for `output` lies.
fs::path folder_of(fs::path output) {
  return output += ".precompute";
}

std::string error_of(const auto& body) {
  try {
    body();
  } catch (const Error& e) {
    BOOST_TEST(static_cast<int>(e.code()) == static_cast<int>(ExitCode::usage));
    return std::string(e.what()) + " | " + e.where() + " | " + e.hint();
  }
  return "no error";
}

bool names_both(const std::string& error) {
  return error.find("--resume") != std::string::npos && error.find("--overwrite") != std::string::npos;
}

/// `created`: the time of the start, which tells two starts of equal options apart.
void plan_work(const fs::path& out, bool overwrite = false, const std::string& created = "first") {
  Workspace work(out, kIdentity, false, overwrite);
  BOOST_REQUIRE(work.state() == State::fresh);
  Plan plan;
  plan.identity_json = kIdentity;
  plan.shape.length = 4;
  plan.shape.positions = 3;
  plan.shape.topk = 1;
  plan.rows = plan.shard_rows = 2;
  write_file(Workspace::tokens_file(work.folder()), "tokens");
  plan.tokens_sha256 = sha256_hex(std::string_view("tokens"));
  plan.meta_json = Json({{"created_utc", created},
                         {"anemll", {{"plan", plan.id()}, {"tokens_sha256", plan.tokens_sha256}}}})
                       .dump();
  work.start(plan);
}

void finish_work(const fs::path& out, bool resume) {
  Workspace work(out, kIdentity, resume, false);
  BOOST_REQUIRE(work.state() == State::resumed);
  const fs::path cache = Workspace::cache_folder(work.folder());
  CacheIndex index = test::write_cache(cache, test::small_shape(), {2});
  index.meta_json = work.plan().meta_json;
  write_file(cache / kIndexName, write_index(index));
  work.publish(cache);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(teacher_workspace)

BOOST_AUTO_TEST_CASE(from_nothing_to_complete) {
  const test::TempDir temp;
  const fs::path out = temp / "cache";
  plan_work(out);
  BOOST_TEST(!fs::exists(out));
  BOOST_TEST(names_both(error_of([&] { Workspace(out, kIdentity, false, false); })));
  finish_work(out, true);
  BOOST_TEST(fs::exists(out / "index.json"));
  BOOST_TEST(!fs::exists(folder_of(out)));
  BOOST_TEST((Workspace(out, kIdentity, true, false).state() == State::complete));
  BOOST_TEST(names_both(error_of([&] { Workspace(out, kIdentity, false, false); })));
  const std::string other = error_of([&] { Workspace(out, R"({"seed":2})", true, false); });
  BOOST_TEST(other.find("nothing to resume") != std::string::npos, other);
}

// The same run, as an earlier version of the program named it.
BOOST_AUTO_TEST_CASE(an_earlier_name_of_the_run_is_as_good) {
  const test::TempDir temp;
  const fs::path out = temp / "cache";
  const std::string now = R"({"seed":"2:1"})";
  plan_work(out);
  const std::string refused = error_of([&] { Workspace(out, now, true, false); });
  BOOST_TEST(refused.find("seed was 1, is \"2:1\"") != std::string::npos, refused);
  BOOST_TEST((Workspace(out, now, true, false, kIdentity).state() == State::resumed));
  BOOST_TEST(names_both(error_of([&] { Workspace(out, now, false, false, kIdentity); })));
  finish_work(out, true);
  BOOST_TEST((Workspace(out, now, true, false, kIdentity).state() == State::complete));
  const std::string other = error_of([&] { Workspace(out, now, true, false, R"({"seed":3})"); });
  BOOST_TEST(other.find("nothing to resume") != std::string::npos, other);
}

BOOST_AUTO_TEST_CASE(foreign_folders_are_left_alone) {
  const test::TempDir temp;
  write_file(temp / "notes.txt", "mine");
  write_file(temp / "index.json", R"({"meta": {"created_utc": 1, "anemll": {"plan": []}}})");
  BOOST_TEST(error_of([&] { Workspace(temp.path(), kIdentity, true, false); }).find("nothing to resume") !=
             std::string::npos);
  fs::remove(temp / "index.json");
  const std::string foreign = error_of([&] { Workspace(temp.path(), kIdentity, false, false); });
  BOOST_TEST(foreign.find("choose another --output_dir") != std::string::npos, foreign);
  BOOST_TEST(foreign.find("--resume") == std::string::npos, foreign);
  const std::string error = error_of([&] { Workspace(temp.path(), kIdentity, false, true); });
  BOOST_TEST(error.find("notes.txt") != std::string::npos, error);
  BOOST_TEST(read_text(temp / "notes.txt") == "mine");
  fs::create_directories(temp / "empty");
  BOOST_TEST((Workspace(temp / "empty", kIdentity, false, false).state() == State::fresh));
}

BOOST_AUTO_TEST_CASE(a_work_folder_of_somebody_else_is_left_alone) {
  for (const char* name : {"notes.txt", "index.json", "plan.json"}) {
    const test::TempDir temp;
    const fs::path folder = folder_of(temp / "c");
    fs::create_directories(folder);
    write_file(folder / name, "mine");
    for (const bool overwrite : {false, true}) {
      const std::string error = error_of([&] { Workspace(temp / "c", kIdentity, false, overwrite); });
      BOOST_TEST(error.find("c.precompute") != std::string::npos, error);
      BOOST_TEST(error.find("is in the way") != std::string::npos, error);
    }
    BOOST_TEST(read_text(folder / name) == "mine");
    BOOST_TEST(!fs::exists(folder / "units"));
  }
}

// The cache that is to be replaced got company while its successor was made.
BOOST_AUTO_TEST_CASE(notes_in_the_old_cache_keep_it) {
  const test::TempDir temp;
  plan_work(temp / "c");
  finish_work(temp / "c", true);
  plan_work(temp / "c", /*overwrite=*/true, "second");
  write_file(temp / "c/notes.txt", "mine");
  const std::string error = error_of([&] { finish_work(temp / "c", true); });
  BOOST_TEST(error.find("notes.txt") != std::string::npos, error);
  BOOST_TEST(read_text(temp / "c/notes.txt") == "mine");
  fs::remove(temp / "c/notes.txt");
  finish_work(temp / "c", true);
  BOOST_TEST(Json::parse(read_text(temp / "c" / kIndexName))["meta"]["created_utc"] == "second");
}

BOOST_AUTO_TEST_CASE(other_options_are_not_resumed) {
  const test::TempDir temp;
  plan_work(temp / "c");
  const std::string error = error_of([&] { Workspace(temp / "c", R"({"seed":2})", true, false); });
  BOOST_TEST(error.find("seed was 1, is 2") != std::string::npos, error);
  BOOST_TEST((Workspace(temp / "c", R"({"seed":2})", false, true).state() == State::fresh));
}

BOOST_AUTO_TEST_CASE(stopped_before_the_plan_starts_anew) {
  const test::TempDir temp;
  { const Workspace killed(temp / "c", kIdentity, false, false); }
  BOOST_TEST((Workspace(temp / "c", kIdentity, true, false).state() == State::fresh));
  // Nothing was made that could be lost: a run that failed over its dataset is simply started again.
  BOOST_TEST((Workspace(temp / "c", R"({"seed":2})", false, false).state() == State::fresh));
}

BOOST_AUTO_TEST_CASE(killed_after_the_rename_is_complete) {
  const test::TempDir temp;
  plan_work(temp / "c");
  fs::copy(folder_of(temp / "c"), temp / "kept", fs::copy_options::recursive);
  finish_work(temp / "c", true);
  fs::rename(temp / "kept", folder_of(temp / "c"));
  BOOST_TEST((Workspace(temp / "c", kIdentity, true, false).state() == State::complete));
  BOOST_TEST(!fs::exists(folder_of(temp / "c")));
}

// The cache that is being replaced has the same options: only its start tells it from the new one.
BOOST_AUTO_TEST_CASE(an_overwriting_run_goes_on_and_replaces) {
  const test::TempDir temp;
  const fs::path out = temp / "c";
  plan_work(out);
  finish_work(out, true);
  plan_work(out, /*overwrite=*/true, "second");
  finish_work(out, true);
  const auto index = Json::parse(read_text(out / kIndexName));
  BOOST_TEST(index["meta"]["created_utc"] == "second");
}

BOOST_AUTO_TEST_CASE(stopped_before_the_plan_of_a_finished_cache) {
  const test::TempDir temp;
  const fs::path out = temp / "c";
  plan_work(out);
  finish_work(out, true);
  { const Workspace stopped(out, kIdentity, false, true); }
  BOOST_TEST(!fs::exists(folder_of(out)));
  fs::create_directories(folder_of(out));  // what a killed one leaves
  write_file(folder_of(out) / ".lock", "");
  BOOST_TEST((Workspace(out, kIdentity, true, false).state() == State::complete));
  BOOST_TEST(!fs::exists(folder_of(out)));
}

BOOST_AUTO_TEST_CASE(a_finished_cache_that_lost_a_shard_is_not_complete) {
  const test::TempDir temp;
  plan_work(temp / "c");
  finish_work(temp / "c", true);
  fs::remove(temp / "c" / shard_name(0, ".h5"));
  try {
    Workspace(temp / "c", kIdentity, true, false);
    BOOST_ERROR("no error");
  } catch (const Error& e) {
    BOOST_TEST(static_cast<int>(e.code()) == static_cast<int>(ExitCode::data));
    BOOST_TEST(e.problem().find("damaged") != std::string::npos, e.problem());
    BOOST_TEST(e.hint().find("--overwrite") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_link_stays_a_link) {
  const test::TempDir temp;
  fs::create_directories(temp / "disk/real");
  fs::create_directory_symlink(temp / "disk/real", temp / "c");
  plan_work(temp / "c");
  finish_work(temp / "c", true);
  BOOST_TEST(fs::is_symlink(temp / "c"));
  BOOST_TEST(fs::exists(temp / "disk/real" / kIndexName));
}

BOOST_AUTO_TEST_CASE(damaged_tokens_are_not_resumed) {
  const test::TempDir temp;
  plan_work(temp / "c");
  write_file(Workspace::tokens_file(folder_of(temp / "c")), "Tokens");
  try {
    Workspace(temp / "c", kIdentity, true, false);
    BOOST_ERROR("no error");
  } catch (const Error& e) {
    BOOST_TEST(std::string(e.what()).find("damaged") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(one_process_at_a_time) {
  const test::TempDir temp;
  const Workspace first(temp / "c", kIdentity, false, false);
  const std::string error = error_of([&] { Workspace(temp / "c", kIdentity, true, false); });
  BOOST_TEST(error.find("another process") != std::string::npos, error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
