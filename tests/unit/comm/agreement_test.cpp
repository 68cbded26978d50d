// Options and facts that ranks share, on ranks that are threads of this process.
#include "src/comm/agreement.hpp"

#include "anemll/core/error.hpp"

#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

/// What every rank ended with; "" for no error.
std::vector<std::string> outcomes(int ranks, const std::function<void(Communicator&)>& body) {
  std::vector<std::string> texts(static_cast<std::size_t>(ranks));
  run_local_ranks(ranks, [&](Communicator& comm) {
    try {
      body(comm);
    } catch (const Error& e) {
      texts[static_cast<std::size_t>(comm.rank())] =
          std::to_string(static_cast<int>(e.code())) + " " + e.what();
    }
  });
  return texts;
}

bool has(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) BOOST_TEST_MESSAGE("'" << part << "' is not in: " << text);
  return found;
}

struct Sample {
  std::int64_t seed = 0, threads = 0;
  OptionTable table{"sample", "options", ""};
  Sample() {
    table.add("seed", &seed, "", 0, 100);
    table.add("threads", &threads, "", 0, 100);
    table.mark_own("threads");
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(agreement)

BOOST_AUTO_TEST_CASE(equal_facts_agree) {
  for (const std::string& text : outcomes(3, [](Communicator& comm) {
         Agreement facts(ExitCode::data, "hint");
         facts.add("cache", "abc");
         facts.check(comm);
       })) {
    BOOST_TEST(text.empty(), text);
  }
}

BOOST_AUTO_TEST_CASE(every_rank_gets_the_same_table) {
  const auto texts = outcomes(4, [](Communicator& comm) {
    Agreement facts(ExitCode::data, "copy the files again");
    facts.add("model", "m");
    facts.add("cache", comm.rank() >= 2 ? "def" : "abc");
    if (comm.rank() == 3) facts.add("state", "s");
    facts.check(comm);
  });
  for (const std::string& text : texts) {
    BOOST_TEST(text == texts[0]);
    BOOST_TEST(text.starts_with("3 "));
  }
  BOOST_TEST(has(texts[0], "cache: abc on rank 0, def on ranks 2, 3"));
  BOOST_TEST(has(texts[0], "state: none on rank 0, s on rank 3"));
  BOOST_TEST(has(texts[0], "copy the files again"));
  BOOST_TEST(!has(texts[0], "model:"));
}

BOOST_AUTO_TEST_CASE(options_of_rank_0_are_taken) {
  std::vector<Sample> samples(3);
  const auto texts = outcomes(3, [&](Communicator& comm) {
    Sample& s = samples[static_cast<std::size_t>(comm.rank())];
    const std::string seed = std::to_string(comm.rank() + 1);
    const char* const words[] = {"sample", "--seed", seed.c_str(), "--threads", seed.c_str()};
    if (parse_together(s.table, 5, words, comm) != OptionTable::Outcome::run)
      throw_usage("did not run", "", "");
  });
  for (std::size_t rank = 0; rank < 3; ++rank) {
    BOOST_TEST(texts[rank].empty(), texts[rank]);
    BOOST_TEST(samples[rank].seed == 1);
    BOOST_TEST(samples[rank].threads == static_cast<std::int64_t>(rank) + 1);
  }
}

BOOST_AUTO_TEST_CASE(one_bad_command_line_is_everybodys_error) {
  std::vector<Sample> samples(2);
  const auto texts = outcomes(2, [&](Communicator& comm) {
    const char* const words[] = {"sample", "--seed", comm.is_root() ? "1" : "1000"};
    parse_together(samples[static_cast<std::size_t>(comm.rank())].table, 3, words, comm);
  });
  BOOST_TEST(texts[0] == texts[1]);
  BOOST_TEST(texts[0].starts_with("2 "));
  BOOST_TEST(has(texts[0], "out of range"));
  BOOST_TEST(has(texts[0], "(on rank 1)"));
}

BOOST_AUTO_TEST_SUITE_END()
