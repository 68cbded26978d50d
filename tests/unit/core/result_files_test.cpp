// The look at the names of results before the work.
#include "src/core/result_files.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "tests/support/temp_dir.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <sys/stat.h>

namespace fs = std::filesystem;
using namespace anemll;

namespace {

std::optional<Error> refusal(const std::vector<std::string>& files, bool overwrite,
                             const std::optional<KeptFile>& kept = std::nullopt) {
  try {
    const ResultFiles results(files, overwrite, kept);
    return std::nullopt;
  } catch (const Error& e) {
    return e;
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(core_result_files)

BOOST_AUTO_TEST_CASE(a_taken_name_is_refused_unless_it_may_be_replaced) {
  const test::TempDir dir;
  const std::string taken = dir / "score.json", folder = dir / "folder", link = dir / "link";
  write_file(taken, "the result of another run");
  fs::create_directory(folder);
  fs::create_symlink("nowhere", link);

  BOOST_TEST(!refusal({dir / "new.json", dir / "new.md"}, false));
  BOOST_TEST(!refusal({taken}, true));
  for (const std::string& file : {taken, link}) {
    const auto refused = refusal({dir / "new.json", file}, false);
    BOOST_TEST_REQUIRE(refused.has_value());
    BOOST_TEST((refused->code() == ExitCode::usage));
    BOOST_TEST(refused->where() == "--output " + file);
    BOOST_TEST(refused->hint().find("--overwrite") != std::string::npos);
  }
  for (const std::string& file : {folder, folder + "/"}) {
    const auto refused = refusal({file}, true);
    BOOST_TEST_REQUIRE(refused.has_value());
    BOOST_TEST(refused->problem() == "is a folder");
  }
  BOOST_TEST(read_text(taken) == "the result of another run");
}

BOOST_AUTO_TEST_CASE(a_device_or_a_pipe_is_never_replaced) {
  const test::TempDir dir;
  const std::string pipe = dir / "pipe", link = dir / "link", plain = dir / "plain",
                    to_plain = dir / "to plain";
  BOOST_TEST_REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  fs::create_symlink("/dev/null", link);
  for (const std::string& file : {pipe, link, std::string("/dev/null")}) {
    for (const bool overwrite : {false, true}) {
      const auto refused = refusal({file}, overwrite);
      BOOST_TEST_REQUIRE(refused.has_value());
      BOOST_TEST((refused->code() == ExitCode::usage));
      BOOST_TEST(refused->problem() == "is no file");
      BOOST_TEST(!refused->hint().empty());
    }
  }
  write_file(plain, "the result of another run");
  fs::create_symlink(plain, to_plain);
  BOOST_TEST(!refusal({to_plain}, true));
}

BOOST_AUTO_TEST_CASE(what_a_program_goes_on_with_is_no_result) {
  const test::TempDir dir;
  const std::string result = dir / "layers.json", begun = dir / "begun.json", link = dir / "link.json";
  // It may be there, and its folder is made where it is not.
  write_file(begun, "of another call");
  BOOST_TEST(!refusal({result}, false, KeptFile{"--sensitivity", begun}));
  {
    const ResultFiles results({result}, false, KeptFile{"--sensitivity", dir / "a/b/new.json"});
    BOOST_TEST(fs::is_directory(dir / "a/b"));
  }
  BOOST_TEST(!fs::exists(dir / "a"));

  fs::create_symlink(begun, link);
  for (const auto& [output, kept] : {std::pair{result, (dir.path() / "." / "layers.json").string()},
                                     std::pair{begun, begun}, std::pair{begun, link}}) {
    const auto refused = refusal({output}, true, KeptFile{"--sensitivity", kept});
    BOOST_TEST_REQUIRE(refused.has_value());
    BOOST_TEST((refused->code() == ExitCode::usage));
    BOOST_TEST(refused->problem() == "is the file of --output too");
    BOOST_TEST(refused->where() == "--sensitivity " + kept);
  }
  const auto folder = refusal({result}, true, KeptFile{"--sensitivity", dir.path().string()});
  BOOST_TEST_REQUIRE(folder.has_value());
  BOOST_TEST(folder->problem() == "is a folder");
  const auto no_room = refusal({result}, true, KeptFile{"--sensitivity", begun + "/new.json"});
  BOOST_TEST_REQUIRE(no_room.has_value());
  BOOST_TEST((no_room->code() == ExitCode::data));
  BOOST_TEST(read_text(begun) == "of another call");
}

BOOST_AUTO_TEST_CASE(one_name_twice_is_refused) {
  const test::TempDir dir;
  const auto refused = refusal({dir / "a.json", (dir.path() / "." / "a.json").string()}, false);
  BOOST_TEST_REQUIRE(refused.has_value());
  BOOST_TEST(refused->problem() == "is given twice");
}

BOOST_AUTO_TEST_CASE(folders_are_made_and_go_again_where_nothing_was_written) {
  const test::TempDir dir;
  const std::string file = dir / "a/b/score.json";
  {
    const ResultFiles results({file}, false);
    BOOST_TEST(fs::is_directory(dir / "a/b"));
  }
  BOOST_TEST(!fs::exists(dir / "a"));
  {
    const ResultFiles results({file}, false);
    write_file(file, "kept");
  }
  BOOST_TEST(read_text(file) == "kept");

  // A file is in the way of a folder: told before the work, and nothing stays of what was made for the first.
  write_file(dir / "file", "");
  const auto refused = refusal({dir / "c/score.json", dir / "file/score.json"}, false);
  BOOST_TEST_REQUIRE(refused.has_value());
  BOOST_TEST((refused->code() == ExitCode::data));
  BOOST_TEST(!refused->hint().empty());
  BOOST_TEST(!fs::exists(dir / "c"));
}

BOOST_AUTO_TEST_SUITE_END()
