// Files of rank 0's host come to other hosts whole, once. Threads with names of hosts stand for ranks.
#include "src/comm/send_files.hpp"

#include "anemll/core/error.hpp"
#include "tests/support/temp_dir.hpp"

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;
namespace fs = std::filesystem;

namespace {

const std::vector<std::string> kHosts{"a", "b", "a", "b", "c"};

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Where each of the ranks finds `path`; the folder of a host is that of its name in `stage`. An error in its
/// place.
std::vector<std::string> sent(const fs::path& path, const fs::path& stage) {
  std::vector<std::string> found(kHosts.size());
  run_local_ranks(static_cast<int>(kHosts.size()), [&](Communicator& comm) {
    const auto rank = static_cast<std::size_t>(comm.rank());
    try {
      FileSender sender(comm, stage / kHosts[rank], kHosts[rank]);
      found[rank] = sender.send(path).string();
    } catch (const Error& e) {
      found[rank] = std::string("error ") + e.what();
    }
  });
  return found;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(send_files)

BOOST_AUTO_TEST_CASE(a_folder_is_there_on_every_host_with_all_it_holds) {
  const test::TempDir dir;
  const std::string large(std::size_t{9} << 20, 'x');  // several blocks
  write(dir / "model/config.json", "{}");
  write(dir / "model/weights/part.bin", large);
  write(dir / "model/empty", "");
  fs::create_symlink(dir / "model/config.json", dir / "model/link.json");
  const auto found = sent(dir / "model", dir / "stage");
  BOOST_TEST(found[0] == (dir / "model").string());
  BOOST_TEST(found[2] == found[0]);
  BOOST_TEST(found[1] == found[3]);
  BOOST_TEST(found[1].starts_with((dir / "stage/b").string()), found[1]);
  BOOST_TEST(found[4].starts_with((dir / "stage/c").string()), found[4]);
  for (const std::size_t rank : {1u, 4u}) {
    BOOST_TEST(read(fs::path(found[rank]) / "config.json") == "{}");
    BOOST_TEST(read(fs::path(found[rank]) / "link.json") == "{}");
    BOOST_TEST((read(fs::path(found[rank]) / "weights/part.bin") == large));
    BOOST_TEST(fs::exists(fs::path(found[rank]) / "empty"));
  }
  BOOST_TEST(!fs::exists(dir / "stage/a"));
}

BOOST_AUTO_TEST_CASE(what_is_there_does_not_travel_again_and_what_is_damaged_does) {
  const test::TempDir dir;
  write(dir / "in/one", "first");
  write(dir / "in/two", "second");
  const auto first = sent(dir / "in", dir / "stage");
  const fs::path one = fs::path(first[1]) / "one", two = fs::path(first[1]) / "two";
  const auto before = fs::last_write_time(one);
  write(two, "sEcond");
  BOOST_TEST(sent(dir / "in", dir / "stage") == first, boost::test_tools::per_element());
  BOOST_TEST((fs::last_write_time(one) == before));
  BOOST_TEST(read(two) == "second");
  write(dir / "in/two", "other");  // another content is another place
  BOOST_TEST(sent(dir / "in", dir / "stage")[1] != first[1]);
}

BOOST_AUTO_TEST_CASE(a_file_brings_the_config_beside_it) {
  const test::TempDir dir;
  write(dir / "run/best.pt", "weights");
  write(dir / "run/config.json", "{}");
  write(dir / "run/other.pt", "no");
  const auto found = sent(dir / "run/best.pt", dir / "stage");
  BOOST_TEST(fs::path(found[1]).filename() == "best.pt");
  BOOST_TEST(read(found[1]) == "weights");
  BOOST_TEST(read(fs::path(found[1]).parent_path() / "config.json") == "{}");
  BOOST_TEST(!fs::exists(fs::path(found[1]).parent_path() / "other.pt"));
}

BOOST_AUTO_TEST_CASE(every_rank_gets_the_error_of_one) {
  const test::TempDir dir;
  for (const std::string& text : sent(dir / "absent", dir / "stage")) {
    BOOST_TEST(text.starts_with("error "), text);
    BOOST_TEST((text.find("absent") != std::string::npos), text);
    BOOST_TEST((text.find("(on rank 0, a)") != std::string::npos), text);
    BOOST_TEST((text.find("--stage-dir") == std::string::npos), text);
  }
  write(dir / "in/one", "first");
  write(dir / "stage/c", "a file where the folder should be");
  for (const std::string& text : sent(dir / "in", dir / "stage")) {
    BOOST_TEST(text.starts_with("error "), text);
    BOOST_TEST((text.find("(on rank 4, c)") != std::string::npos), text);
    BOOST_TEST((text.find("--stage-dir") != std::string::npos), text);
  }
}

BOOST_AUTO_TEST_CASE(on_one_host_nothing_is_sent) {
  const test::TempDir dir;
  run_local_ranks(2, [&](Communicator& comm) {
    FileSender sender(comm, dir / "stage", "a");
    if (sender.send(dir / "absent") != dir / "absent") throw std::runtime_error("another path");
  });
  BOOST_TEST(!fs::exists(dir / "stage"));
}

BOOST_AUTO_TEST_SUITE_END()
