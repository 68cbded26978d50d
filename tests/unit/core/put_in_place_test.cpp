// What is left when a finished draft cannot take its place.
#include "src/core/put_in_place.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "tests/support/temp_dir.hpp"

#include <filesystem>

#include <boost/test/unit_test.hpp>

namespace fs = std::filesystem;
using namespace anemll;

BOOST_AUTO_TEST_SUITE(core_put_in_place)

BOOST_AUTO_TEST_CASE(a_draft_takes_the_place_or_goes) {
  const test::TempDir dir;
  write_file(dir / "draft", "new");
  write_file(dir / "result", "old");
  put_in_place(dir / "draft", dir / "result");
  BOOST_TEST(read_text(dir / "result") == "new");
  BOOST_TEST(!fs::exists(dir / "draft"));

  // A folder gives its place to no file.
  write_file(dir / "draft", "new");
  fs::create_directories(dir / "folder/inner");
  try {
    put_in_place(dir / "draft", dir / "folder");
    BOOST_ERROR("nothing was refused");
  } catch (const Error& e) {
    BOOST_TEST((e.code() == ExitCode::data));
    BOOST_TEST(e.problem().starts_with("cannot rename draft"), e.problem());
    BOOST_TEST(!e.hint().empty());
  }
  BOOST_TEST(!fs::exists(dir / "draft"));
  BOOST_TEST(fs::exists(dir / "folder/inner"));
}

BOOST_AUTO_TEST_SUITE_END()
