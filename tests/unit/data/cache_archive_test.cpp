// KD caches out of archives: the same cache as out of the folder, and everything else refused with nothing
// left. Archives are packed here, by tar.
#include "anemll/core/file.hpp"
#include "anemll/data/kd_cache.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/data/expect_error.hpp"
#include "tests/unit/data/synthetic_cache.hpp"

#include <cstdlib>
#include <string>

#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

namespace fs = std::filesystem;
using test::expect_data_error;
using test::expect_error;
using test::golden;
using test::TempDir;

void nothing(std::int64_t, std::int64_t) {}

void shell(const std::string& command) {
  BOOST_REQUIRE_EQUAL(std::system(command.c_str()), 0);
}

std::string quoted(const fs::path& path) {
  std::string text = "'";
  text += path.string();
  text += "'";
  return text;
}

void pack(const fs::path& archive, const fs::path& folder, const std::string& names) {
  shell("tar -czf " + quoted(archive) + " -C " + quoted(folder) + " " + names);
}

void import(const fs::path& archive, const fs::path& destination, const ImportOptions& options = {}) {
  import_cache_archive(archive, destination, options, nothing);
}

/// The folder `nano` in `dir`: the reference's cache of the goldens.
fs::path copy_of_nano(const TempDir& dir) {
  const fs::path copy = dir.path() / "nano";
  fs::copy(golden("nano/cache"), copy);
  return copy;
}

/// The import is refused, and leaves nothing.
void refused(const TempDir& dir, const fs::path& archive, const std::vector<std::string>& parts) {
  expect_data_error([&] { import(archive, dir.path() / "out"); }, parts);
  BOOST_TEST(!fs::exists(dir.path() / "out"));
  BOOST_TEST(!fs::exists(dir.path() / "out.unpacked"));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cache_archive)

BOOST_AUTO_TEST_CASE(an_archive_gives_the_cache_of_its_folder) {
  const TempDir dir;
  const fs::path nano = copy_of_nano(dir);
  import_torch_cache(nano, dir.path() / "wanted", {}, nothing);
  const std::string wanted = read_text(dir.path() / "wanted/index.json");
  pack(dir.path() / "in_a_folder.tgz", dir.path(), "nano");
  pack(dir.path() / "flat.tgz", nano, ".");
  shell("tar -cf " + quoted(dir.path() / "plain.tar") + " -C " + quoted(dir.path()) + " ./nano");
  for (const char* name : {"in_a_folder.tgz", "flat.tgz", "plain.tar"}) {
    const fs::path out = dir.path() / (std::string(name) + ".out");
    import(dir.path() / name, out);
    BOOST_TEST(read_text(out / "index.json") == wanted, name);
    BOOST_TEST(KdCache::open(out).verify(nothing).count == 0);
    BOOST_TEST(!fs::exists(out.string() + ".unpacked"));
  }
}

BOOST_AUTO_TEST_CASE(an_archive_of_an_hdf5_cache_is_taken_as_it_is) {
  const TempDir dir;
  import_torch_cache(copy_of_nano(dir), dir.path() / "hdf5", {}, nothing);
  pack(dir.path() / "hdf5.tgz", dir.path(), "hdf5");
  import(dir.path() / "hdf5.tgz", dir.path() / "out");
  BOOST_TEST(read_text(dir.path() / "out/index.json") == read_text(dir.path() / "hdf5/index.json"));
  BOOST_TEST(KdCache::open(dir.path() / "out").verify(nothing).count == 0);
  ImportOptions smaller;
  smaller.compress = 1;
  expect_error([&] { import(dir.path() / "hdf5.tgz", dir.path() / "other", smaller); }, ExitCode::usage,
               {"taken as it is"});
  BOOST_TEST(!fs::exists(dir.path() / "other.unpacked"));
}

BOOST_AUTO_TEST_CASE(a_destination_is_replaced_only_when_told) {
  const TempDir dir;
  copy_of_nano(dir);
  pack(dir.path() / "nano.tgz", dir.path(), "nano");
  import(dir.path() / "nano.tgz", dir.path() / "out");
  expect_error([&] { import(dir.path() / "nano.tgz", dir.path() / "out"); }, ExitCode::usage,
               {"already exists", "--overwrite"});
  ImportOptions again;
  again.overwrite = true;
  import(dir.path() / "nano.tgz", dir.path() / "out", again);
  write_file(dir.path() / "out/letter.txt", "mine");
  expect_error([&] { import(dir.path() / "nano.tgz", dir.path() / "out", again); }, ExitCode::usage,
               {"letter.txt"});
}

BOOST_AUTO_TEST_CASE(what_is_no_whole_cache_is_refused) {
  const TempDir dir;
  const fs::path nano = copy_of_nano(dir);
  const fs::path archive = dir.path() / "archive.tgz";
  write_file(archive, "hello");
  refused(dir, archive, {"cannot be unpacked", "archive.tgz"});

  pack(archive, dir.path(), "nano");
  fs::resize_file(archive, fs::file_size(archive) / 2);
  refused(dir, archive, {"archive.tgz"});

  fs::create_directory(dir.path() / "text");
  write_file(dir.path() / "text/read.me", "hello");
  pack(archive, dir.path(), "text");
  refused(dir, archive, {"holds no KD cache"});

  fs::copy(nano, dir.path() / "second");
  pack(archive, dir.path(), "nano second");
  refused(dir, archive, {"several caches", "nano", "second"});

  fs::create_symlink("/etc/hostname", nano / "shard_00002.pt");
  pack(archive, dir.path(), "nano");
  refused(dir, archive, {"shard_00002.pt", "neither file nor folder"});
}

// Names that lead out of the folder end as plain names in it.
BOOST_AUTO_TEST_CASE(no_name_leads_anywhere_else) {
  const TempDir dir;
  const fs::path nano = copy_of_nano(dir);
  fs::create_directories(dir.path() / "deep/er");
  shell("tar -czPf " + quoted(dir.path() / "up.tgz") + " -C " + quoted(dir.path() / "deep/er") +
        " ../../nano/meta.json ../../nano/shard_00000.pt ../../nano/shard_00001.pt");
  fs::remove_all(nano);
  fs::create_directories(dir.path() / "a/b");
  import(dir.path() / "up.tgz", dir.path() / "a/b/out");
  BOOST_TEST(fs::exists(dir.path() / "a/b/out/index.json"));
  BOOST_TEST(!fs::exists(nano));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
