// Hints of failed system calls: the cause decides, wherever it is met.
#include "src/core/system_error.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/core/hash.hpp"
#include "src/core/output_folder.hpp"
#include "tests/support/temp_dir.hpp"

#include <cerrno>
#include <functional>
#include <set>
#include <string>

#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <sys/resource.h>

namespace {

using namespace anemll;
namespace fs = std::filesystem;

std::error_code code(int value) {
  return {value, std::generic_category()};
}

Error failure(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  BOOST_FAIL("nothing was thrown");
  return {ExitCode::done, ""};
}

bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(core_system_error)

BOOST_AUTO_TEST_CASE(each_cause_has_its_hint) {
  for (const auto& [cause, part] :
       {std::pair{ENOSPC, "full"}, std::pair{EDQUOT, "quota"}, std::pair{EFBIG, "ulimit -f"},
        std::pair{EROFS, "only be read"}, std::pair{EACCES, "permissions"}, std::pair{EPERM, "permissions"},
        std::pair{ENOTDIR, "a file, not a folder"}, std::pair{EISDIR, "a folder, not a file"},
        std::pair{ENAMETOOLONG, "shorter"}, std::pair{EMFILE, "ulimit -n"}, std::pair{ELOOP, "links"},
        std::pair{ENOENT, "check the path"}, std::pair{EIO, "disk or the network"},
        std::pair{ESTALE, "network"}}) {
    BOOST_TEST(mentions(hint_of(code(cause), "other"), part), part);
    // Libraries tell the cause as text only.
    BOOST_TEST(hint_in("unable to do it (errno: " + code(cause).message() + ")") ==
               hint_of(code(cause), "other"));
    const Error error = failure([&, number = cause] { throw_system("cannot write", "/x/y", code(number)); });
    BOOST_TEST((error.code() == ExitCode::data));
    BOOST_TEST(error.where() == "/x/y");
    BOOST_TEST(error.problem() == "cannot write: " + code(cause).message());
    const bool about_space = cause == ENOSPC || cause == EDQUOT;
    BOOST_TEST(mentions(error.hint(), "free disk space") == about_space);
    BOOST_TEST(mentions(error.hint(), "permission") == (cause == EACCES || cause == EPERM));
  }
  BOOST_TEST(hint_of(code(ENOSPC), "other", "more").ends_with("; more"));
  BOOST_TEST(hint_of(code(ENOTTY), "other", "more") == "other");
  BOOST_TEST(hint_in("bad version number").empty());
}

BOOST_AUTO_TEST_CASE(real_calls_are_told_by_their_cause) {
  const test::TempDir dir;
  write_file(dir / "file", "text");
  fs::create_symlink("loop", dir / "loop");
  const std::string long_name(300, 'n');
  const auto hint = [](const std::function<void()>& action) { return failure(action).hint(); };
  BOOST_TEST(mentions(hint([&] { write_file(dir / "file" / "x", ""); }), "a file, not a folder"));
  BOOST_TEST(mentions(hint([&] { write_file(dir / long_name, ""); }), "shorter"));
  BOOST_TEST(mentions(hint([&] { read_text(dir / "loop"); }), "links"));
  BOOST_TEST(mentions(hint([&] { read_text(dir / "none" / "x"); }), "nothing has this name"));
  BOOST_TEST(mentions(hint([&] { sha256_file(dir.path()); }), "a folder, not a file"));
  fs::create_directories(dir / "taken");
  BOOST_TEST(mentions(hint([&] { write_file(dir / "taken", "x"); }), "a folder, not a file"));
}

BOOST_AUTO_TEST_CASE(too_many_open_files_is_no_matter_of_paths) {
  const test::TempDir dir;
  write_file(dir / "file", "text");
  rlimit before{};
  BOOST_REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{0, before.rlim_max};
  BOOST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const Error error = failure([&] { read_text(dir / "file"); });
  BOOST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  BOOST_TEST(mentions(error.hint(), "ulimit -n"), error.hint());
}

BOOST_AUTO_TEST_CASE(an_output_folder_that_is_a_file_is_called_one) {
  const test::TempDir dir;
  write_file(dir / "log.txt", "text");
  for (const fs::path& path : {dir / "log.txt", dir / "log.txt" / "deeper" / "out"}) {
    const Error error = failure([&] { OutputFolder(path, training_run(), "--output-dir").take(false); });
    BOOST_TEST(error.problem() == "is a file, not a folder", error.what());
    BOOST_TEST(error.where() == (dir / "log.txt").string());
    BOOST_TEST(mentions(error.hint(), "--output-dir"));
    BOOST_TEST(!mentions(error.hint(), "permission"));
  }
  BOOST_TEST(read_text(dir / "log.txt") == "text");
}

BOOST_AUTO_TEST_SUITE_END()
