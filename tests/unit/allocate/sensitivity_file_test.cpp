// The file of a measurement on several ranks: what rank 0 has counts, on whatever disks the others look.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/allocate/sensitivity.hpp"
#include "tests/support/temp_dir.hpp"

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

constexpr std::size_t kRanks = 3;

SensitivityKey key_of(const std::string& model) {
  return {model, "text", {3, 4}, 4};
}

/// What each rank reads of its own file, or what it throws. The key of the others is another one too.
struct Read {
  std::vector<Sensitivities> found = std::vector<Sensitivities>(kRanks);
  std::vector<std::string> errors = std::vector<std::string>(kRanks);
};
Read read_all(const std::vector<std::filesystem::path>& files) {
  Read read;
  run_local_ranks(static_cast<int>(kRanks), [&](Communicator& comm) {
    const auto rank = static_cast<std::size_t>(comm.rank());
    try {
      read.found[rank] =
          read_sensitivities(files[rank], key_of(comm.is_root() ? "model" : "another"), false, comm);
    } catch (const Error& e) {
      read.errors[rank] = e.what();
    }
  });
  return read;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sensitivity_file)

BOOST_AUTO_TEST_CASE(what_rank_0_has_counts_everywhere) {
  const TempDir dir;
  Sensitivities made;
  made.groups = {{"q 0-3", 0.01234}, {"down 0-3", 1.5e-7}};
  made.errors = {{"model.layers.0.mlp.up_proj", {{"2/4", 0.1234}, {"3/4", 1.0 / 3}}}};
  write_sensitivities(dir / "made", key_of("model"), made);
  Sensitivities other = made;
  other.groups.erase("q 0-3");
  write_sensitivities(dir / "other", key_of("model"), other);
  write_file(dir / "broken", "no measurement");

  const Read read = read_all({dir / "made", dir / "other", dir / "broken"});
  for (std::size_t rank = 0; rank < kRanks; ++rank) {
    BOOST_TEST(read.errors[rank].empty(), read.errors[rank]);
    BOOST_TEST((read.found[rank].groups == made.groups));
    BOOST_TEST((read.found[rank].errors == made.errors));
  }
  const Read nothing = read_all({dir / "absent", dir / "made", dir / "made"});
  for (std::size_t rank = 0; rank < kRanks; ++rank) {
    BOOST_TEST(nothing.errors[rank].empty(), nothing.errors[rank]);
    BOOST_TEST(nothing.found[rank].groups.empty());
    BOOST_TEST(nothing.found[rank].errors.empty());
  }
}

BOOST_AUTO_TEST_CASE(an_error_of_rank_0_is_everybodys) {
  const TempDir dir;
  write_sensitivities(dir / "good", key_of("model"), {});
  write_sensitivities(dir / "foreign", key_of("of something else"), {});
  write_file(dir / "broken", "no measurement");
  for (const auto& [file, problem] : std::map<std::string, std::string>{
           {"foreign", "measured on another model"}, {"broken", "is no file of sensitivities"}}) {
    const Read read = read_all({dir / file, dir / "good", dir / "good"});
    for (const std::string& error : read.errors)
      BOOST_TEST(error.find(problem) != std::string::npos, "no '" << problem << "' in: " << error);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
