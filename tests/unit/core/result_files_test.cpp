// The look at the names of results before the work.
#include "src/core/result_files.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "tests/support/temp_dir.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace fs = std::filesystem;
using namespace anemll;

namespace {

std::optional<Error> refusal(const std::vector<std::string>& files, bool overwrite) {
  try {
    const ResultFiles results(files, overwrite);
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
