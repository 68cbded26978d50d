// Work folders: whose they are, what a kill leaves, and that nothing of anybody else is ever removed.
#include "src/core/work_folder.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "tests/support/temp_dir.hpp"

#include <functional>
#include <string>

#include <boost/test/unit_test.hpp>

using namespace anemll;
namespace fs = std::filesystem;

namespace {

WorkFolder work_for(const test::TempDir& dir) {
  return {dir / "kd", ".work", kd_cache_work(), "--output"};
}

std::string refusal(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& e) {
    BOOST_TEST(static_cast<int>(e.code()) == static_cast<int>(ExitCode::usage));
    return e.problem() + " | " + e.where() + " | " + e.hint();
  }
  return "no error";
}
bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(work_folder)

BOOST_AUTO_TEST_CASE(made_published_and_gone) {
  const test::TempDir dir;
  WorkFolder work = work_for(dir);
  BOOST_TEST(!work.is_there());
  work.take();
  BOOST_TEST(work.path() == dir / "kd.work");
  fs::create_directory(work.path() / "cache");
  write_file(work.path() / "cache/index.json", "new");
  work.publish(work.path() / "cache", false);
  BOOST_TEST(read_text(dir / "kd/index.json") == "new");
  BOOST_TEST(!work.is_there());
}

BOOST_AUTO_TEST_CASE(a_folder_of_somebody_else_is_refused_and_unchanged) {
  const struct {
    const char* file;
    const char* content;
    const char* why;
  } cases[] = {{"notes.txt", "mine", "notes.txt"},
               {"index.json", "{}", "no mark"},          // a cache of the user's own
               {".lock", "another program", "no mark"},  // not our words
               {"cache/shard_00000.h5", "x", "no mark"},
               {"plan.json", "{}", "no mark"}};
  for (const auto& one : cases) {
    const test::TempDir dir;
    const fs::path file = dir / "kd.work" / one.file;
    fs::create_directories(file.parent_path());
    write_file(file, one.content);
    const std::string error = refusal([&] { work_for(dir).take(); });
    BOOST_TEST(has(error, "kd.work"), error);
    BOOST_TEST(has(error, one.why), error);
    BOOST_TEST(has(error, "choose another --output"), error);
    BOOST_TEST(read_text(file) == one.content, one.file);
    BOOST_TEST(std::distance(fs::directory_iterator(dir / "kd.work"), {}) == 1, one.file);
  }
  const test::TempDir dir;
  write_file(dir / "kd.work", "a file");
  BOOST_TEST(has(refusal([&] { work_for(dir).take(); }), "no folder"));
  fs::remove(dir / "kd.work");
  fs::create_directories(dir / "elsewhere");
  fs::create_directory_symlink(dir / "elsewhere", dir / "kd.work");
  BOOST_TEST(has(refusal([&] { work_for(dir).take(); }), "no folder"));
  BOOST_TEST(fs::is_empty(dir / "elsewhere"));
}

BOOST_AUTO_TEST_CASE(what_a_killed_process_left_is_taken_over) {
  const test::TempDir dir;
  {
    WorkFolder killed = work_for(dir);
    killed.take();
    write_file(killed.path() / "plan.json", "{}");
    write_file(killed.path() / "plan.json.tmp.77", "{");
  }
  WorkFolder work = work_for(dir);
  work.take();
  BOOST_TEST(fs::exists(work.path() / "plan.json"));
  BOOST_TEST(!fs::exists(work.path() / "plan.json.tmp.77"));
  BOOST_TEST(has(refusal([&] { work_for(dir).take(); }), "another process is making this cache"));
  work.clear();
  BOOST_TEST(!fs::exists(work.path() / "plan.json"));
  BOOST_TEST(has(refusal([&] { work_for(dir).take(); }), "another process"));
  work.discard();
  BOOST_TEST(!work.is_there());
  // Killed before the mark was written: an empty folder, an empty lock, half a mark.
  for (const char* text : {"", "a work"}) {
    fs::create_directory(dir / "kd.work");
    write_file(dir / "kd.work/.lock", text);
    WorkFolder again = work_for(dir);
    again.take();
    BOOST_TEST(read_text(dir / "kd.work/.lock") == "a work folder of anemll\n");
    again.discard();
  }
}

BOOST_AUTO_TEST_CASE(a_folder_without_work_goes_with_its_process) {
  const test::TempDir dir;
  const auto work_at = [&](const fs::path& result, const Product& product) {
    return WorkFolder(dir / result, ".work", product, "--output");
  };
  for (const char* prepared : {"", "tokens.i32", "wandb.json"}) {
    {
      WorkFolder work = work_at("new/deep/kd", kd_cache_work());
      work.take();
      fs::create_directories(work.path() / "units");
      if (*prepared != '\0') write_file(work.path() / prepared, "x");
    }
    BOOST_TEST(!fs::exists(dir / "new"), prepared);
  }
  for (const Product* product : {&start_work(), &moments_work()}) {
    {
      WorkFolder work = work_at("r", *product);
      work.take();
      write_file(work.path() / (product == &start_work() ? "start.json" : "plan.json"), "{}");
    }
    BOOST_TEST(!fs::exists(dir / "r.work"), std::string(product->name));
  }
  {
    WorkFolder work = work_at("r", start_work());
    work.take();
    write_file(work.path() / "block_0.safetensors", "x");
  }
  BOOST_TEST(fs::exists(dir / "r.work/.lock"));
  BOOST_TEST(fs::exists(dir / "r.work/block_0.safetensors"));
}

BOOST_AUTO_TEST_CASE(what_others_put_into_it_stays) {
  const test::TempDir dir;
  WorkFolder work = work_for(dir);
  work.take();
  write_file(work.path() / "notes.txt", "mine");
  fs::create_directory(work.path() / "cache");
  work.clear();
  BOOST_TEST(!fs::exists(work.path() / "cache"));
  fs::create_directory(work.path() / "cache");
  work.publish(work.path() / "cache", false);
  BOOST_TEST(fs::is_directory(dir / "kd"));
  BOOST_TEST(read_text(dir / "kd.work/notes.txt") == "mine");
  BOOST_TEST(!fs::exists(dir / "kd.work/.lock"));
}

BOOST_AUTO_TEST_CASE(a_result_is_replaced_when_asked_and_put_back_after_a_kill) {
  const test::TempDir dir;
  const auto make = [&](WorkFolder& work, const std::string& text) {
    fs::create_directories(work.path() / "cache");
    write_file(work.path() / "cache/index.json", text);
  };
  fs::create_directory(dir / "kd.replaced");  // a name that was never ours
  write_file(dir / "kd.replaced/notes.txt", "mine");
  fs::create_directory(dir / "kd");
  write_file(dir / "kd/index.json", "old");
  WorkFolder work = work_for(dir);
  work.take();
  make(work, "new");
  BOOST_TEST(has(refusal([&] { work.publish(work.path() / "cache", false); }), "someone else"));
  BOOST_TEST(read_text(dir / "kd/index.json") == "old");
  work.publish(work.path() / "cache", true);
  BOOST_TEST(read_text(dir / "kd/index.json") == "new");
  BOOST_TEST(!work.is_there());
  BOOST_TEST(read_text(dir / "kd.replaced/notes.txt") == "mine");

  // Killed between the two renames, then behind them.
  {
    WorkFolder killed = work_for(dir);
    killed.take();
    fs::rename(dir / "kd", killed.path() / "replaced");
  }
  WorkFolder next = work_for(dir);
  next.take();
  BOOST_TEST(read_text(dir / "kd/index.json") == "new");
  fs::create_directory(next.path() / "replaced");
  next.take();
  BOOST_TEST(!fs::exists(next.path() / "replaced"));
  BOOST_TEST(read_text(dir / "kd/index.json") == "new");
}

BOOST_AUTO_TEST_SUITE_END()
