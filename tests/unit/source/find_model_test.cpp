// What rank 0 names and finds is everybody's: other ranks look nowhere. Ranks are threads of this process.
#include "src/source/find_model.hpp"

#include "anemll/core/error.hpp"
#include "src/source/recorded_model.hpp"
#include "tests/support/temp_dir.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

constexpr int kRanks = 3;
constexpr const char* kAbsent = "/no/such/folder/of/a/model";

/// What `body` gives on each rank, or what it throws.
std::vector<std::string> on_ranks(const std::function<std::string(Communicator&)>& body) {
  std::vector<std::string> all(kRanks);
  run_local_ranks(kRanks, [&](Communicator& comm) {
    std::string& mine = all[static_cast<std::size_t>(comm.rank())];
    try {
      mine = body(comm);
    } catch (const Error& e) {
      mine = std::string("error: ").append(e.what());
    }
  });
  return all;
}

void all_are(const std::vector<std::string>& said, const std::string& wanted) {
  for (const std::string& one : said) BOOST_TEST(one == wanted);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(source_find_model)

BOOST_AUTO_TEST_CASE(rank_0_alone_looks) {
  const std::string nano = test::golden("nano").string();
  all_are(on_ranks([&](Communicator& comm) {
            return find_model(comm.is_root() ? nano : kAbsent, "main", ModelUse::weights, comm);
          }),
          nano);
  const std::vector<std::string> failed = on_ranks([&](Communicator& comm) {
    return find_model(comm.is_root() ? kAbsent : nano, HubOptions(), ModelUse::weights, comm);
  });
  BOOST_TEST(failed[0].starts_with("error: "));
  BOOST_TEST(failed[0].find(kAbsent) != std::string::npos, failed[0]);
  all_are(failed, failed[0]);
}

BOOST_AUTO_TEST_CASE(a_recorded_model_is_the_one_that_rank_0_has_recorded) {
  const std::string nano = test::golden("nano").string();
  const test::TempDir dir;
  all_are(on_ranks([&](Communicator& comm) {
            ModelFlags flags;
            OptionTable table("sample", "options");
            add_model_flags(table, flags, "recorded");
            const RecordedModel recorded = comm.is_root()
                                               ? RecordedModel{nano, "v1", {}}
                                               : RecordedModel{"relative", "v2", dir / "config.json"};
            const LocatedModel found = locate_recorded_model(flags, table, recorded, ModelUse::weights, comm);
            return found.name.id + " " + found.name.hub.revision + " " + found.path.string();
          }),
          std::string(nano).append(" v1 ").append(nano));
}

BOOST_AUTO_TEST_SUITE_END()
