// Memory maps, and files that are whole or absent: errors, exceptions and a full disk leave nothing behind.
#include "anemll/core/file.hpp"

#include "anemll/core/error.hpp"
#include "tests/support/file_limit.hpp"
#include "tests/support/temp_dir.hpp"

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include <boost/test/unit_test.hpp>
#include <sys/stat.h>

namespace {

namespace fs = std::filesystem;
using anemll::AtomicFile;
using anemll::Error;

std::size_t files_in(const fs::path& dir) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(dir), {}));
}
bool is_data_error(const Error& e) {
  return e.code() == anemll::ExitCode::data && !e.where().empty() && !e.hint().empty();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(core_file)

BOOST_AUTO_TEST_CASE(maps_show_the_bytes_and_outlive_the_name) {
  const anemll::test::TempDir dir;
  anemll::write_file(dir / "a", "hello");
  const auto file = anemll::MappedFile::open(dir / "a");
  fs::remove(dir / "a");
  BOOST_TEST(file->bytes().size() == 5u);
  file->release_pages();
  BOOST_TEST(static_cast<char>(file->bytes()[4]) == 'o');
  anemll::write_file(dir / "empty", "");
  BOOST_TEST(anemll::MappedFile::open(dir / "empty")->bytes().empty());
  BOOST_CHECK_EXCEPTION(anemll::MappedFile::open(dir / "none"), Error, is_data_error);
  BOOST_CHECK_EXCEPTION(anemll::MappedFile::open(dir.path()), Error, [](const Error& e) {
    return is_data_error(e) && e.problem() == "is a folder, not a file";
  });
}

BOOST_AUTO_TEST_CASE(a_link_that_leads_nowhere_takes_its_name) {
  const anemll::test::TempDir dir;
  BOOST_TEST(!anemll::has_name(dir / "a"));
  fs::create_symlink("gone", dir / "a");
  BOOST_TEST(!fs::exists(dir / "a"));
  BOOST_TEST(anemll::has_name(dir / "a"));
  anemll::write_file(dir / "b", "");
  BOOST_TEST(anemll::has_name(dir / "b"));
  BOOST_TEST(anemll::has_name(dir.path()));
  BOOST_TEST(!anemll::has_name(dir / "b" / "c"));
}

BOOST_AUTO_TEST_CASE(committed_files_replace_in_one_step) {
  const anemll::test::TempDir dir;
  anemll::write_file(dir / "a", "old");
  const std::string large((std::size_t{5} << 20) / 2, 'x');  // more than the buffer
  {
    AtomicFile file(dir / "a");
    file.write("head ");
    file.write(large);
    BOOST_TEST(file.offset() == large.size() + 5);
    BOOST_TEST(anemll::read_text(dir / "a") == "old");
    file.commit();
  }
  BOOST_TEST((anemll::read_text(dir / "a") == "head " + large));
  BOOST_TEST(files_in(dir.path()) == 1u);
}

BOOST_AUTO_TEST_CASE(an_exception_leaves_nothing_behind) {
  const anemll::test::TempDir dir;
  anemll::write_file(dir / "a", "old");
  const auto interrupted = [&] {
    AtomicFile file(dir / "a");
    file.write(std::string(std::size_t{2} << 20, 'x'));
    throw std::runtime_error("in the middle");
  };
  BOOST_CHECK_THROW(interrupted(), std::runtime_error);
  BOOST_TEST(files_in(dir.path()) == 1u);
  BOOST_TEST(anemll::read_text(dir / "a") == "old");
}

BOOST_AUTO_TEST_CASE(a_full_disk_keeps_the_old_file) {
  const anemll::test::TempDir dir;
  anemll::write_file(dir / "a", "old");
  {
    const anemll::test::FileLimit limit(1 << 16);
    BOOST_CHECK_EXCEPTION(anemll::write_file(dir / "a", std::string(1 << 17, 'x')), Error, is_data_error);
    BOOST_CHECK_EXCEPTION(anemll::write_file(dir / "new", std::string(std::size_t{3} << 20, 'x')), Error,
                          is_data_error);
  }
  BOOST_TEST(files_in(dir.path()) == 1u);
  BOOST_TEST(anemll::read_text(dir / "a") == "old");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_created_or_replaced_is_a_data_error) {
  const anemll::test::TempDir dir;
  BOOST_CHECK_EXCEPTION(AtomicFile(dir / "no/folder"), Error, is_data_error);
  fs::create_directories(dir / "taken" / "inside");
  BOOST_CHECK_EXCEPTION(anemll::write_file(dir / "taken", "x"), Error,
                        is_data_error);  // a folder has the name
  BOOST_TEST(files_in(dir.path()) == 1u);
  BOOST_CHECK_EXCEPTION(anemll::sync_directory(dir / "none"), Error, is_data_error);
  BOOST_CHECK_EXCEPTION(anemll::sync_file(dir / "none"), Error, is_data_error);
  anemll::sync_file(dir / "taken");
}

BOOST_AUTO_TEST_CASE(a_device_or_a_pipe_is_never_replaced) {
  const anemll::test::TempDir dir;
  const fs::path pipe = dir / "pipe", device = dir / "device", link = dir / "link", plain = dir / "plain";
  BOOST_TEST_REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  fs::create_symlink("/dev/null", device);
  for (const fs::path& path : {pipe, device, fs::path("/dev/null")})
    BOOST_CHECK_EXCEPTION(AtomicFile{path}, Error, is_data_error);
  BOOST_TEST(fs::is_fifo(pipe));
  BOOST_TEST(fs::is_character_file("/dev/null"));
  BOOST_TEST(files_in(dir.path()) == 2u);
  // Nothing is written for a folder either, not even under another name; links to files are replaced.
  fs::create_directory(dir / "folder");
  BOOST_CHECK_EXCEPTION(AtomicFile(dir / "folder"), Error, is_data_error);
  anemll::write_file(plain, "old");
  fs::create_symlink(plain, link);
  anemll::write_file(link, "new");
  BOOST_TEST(fs::is_regular_file(fs::symlink_status(link)));
  BOOST_TEST(anemll::read_text(plain) == "old");
  fs::remove(link);
  fs::create_symlink("nowhere", link);
  anemll::write_file(link, "new");
  BOOST_TEST(anemll::read_text(link) == "new");
}

BOOST_AUTO_TEST_CASE(space_is_asked_for_before_it_is_needed) {
  const anemll::test::TempDir dir;
  anemll::require_space(dir.path(), 1);
  BOOST_CHECK_EXCEPTION(anemll::require_space(dir.path(), std::numeric_limits<std::uint64_t>::max()), Error,
                        is_data_error);
}

BOOST_AUTO_TEST_SUITE_END()
