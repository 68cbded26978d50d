// Texts together against texts alone: the same tokens in any company, and every way one ends.
#include "src/infer/batch.hpp"

#include "anemll/core/error.hpp"
#include "src/infer/compact_model.hpp"
#include "src/infer/generator.hpp"
#include "tests/support/temp_dir.hpp"

#include <cstdint>
#include <set>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

using Ids = std::vector<std::int32_t>;

constexpr std::int64_t kTokens = 10;

CompactModel& nano() {
  static CompactModel model(load_model_files(test::golden("nano")));
  return model;
}

const std::vector<BatchPrompt>& prompts() {
  static const std::vector<BatchPrompt> list = {{{17, 4000, 3, 255, 1024}, 1},
                                                {{5, 6, 7, 8, 9}, 2},
                                                {{17, 4000, 3, 255, 1024}, 3},
                                                {{900, 1, 2, 3, 4}, 1}};
  return list;
}

SamplingOptions drawn() {
  SamplingOptions options;
  options.temperature = 1.5;
  options.repetition_penalty = 1.1;
  options.top_k = 50;
  return options;
}

std::vector<BatchAnswer> together(std::span<const BatchPrompt> list, const SamplingOptions& sampling,
                                  const GenerationOptions& options) {
  const auto answers = answer_together(nano().decoder(), list, options, sampling);
  BOOST_TEST_REQUIRE(answers.has_value());
  return *answers;
}

/// By the loop for one text; without the stop.
Ids alone(const BatchPrompt& prompt, const SamplingOptions& sampling, const GenerationOptions& options) {
  Generator generator(nano().decoder());
  Sampler sampler(sampling, prompt.seed);
  Ids shown;
  GenerationCalls calls;
  calls.on_token = [&shown](std::int32_t id) { shown.push_back(id); };
  generator.answer(prompt.ids, options, sampler, calls);
  return shown;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_batch)

BOOST_AUTO_TEST_CASE(a_text_is_the_same_in_any_company) {
  const auto all = together(prompts(), drawn(), {kTokens, {}});
  BOOST_TEST_REQUIRE(all.size() == prompts().size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    BOOST_TEST(all[i].ids == alone(prompts()[i], drawn(), {kTokens, {}}), boost::test_tools::per_element());
    BOOST_TEST((all[i].ending == Ending::length));
    const std::vector<BatchPrompt> one = {prompts()[i]};
    BOOST_TEST(together(one, drawn(), {kTokens, {}})[0].ids == all[i].ids, boost::test_tools::per_element());
  }
  BOOST_TEST(all[0].ids != all[2].ids);  // another seed
}

BOOST_AUTO_TEST_CASE(one_that_ends_leaves_the_others_as_they_are) {
  const auto all = together(prompts(), drawn(), {kTokens, {}});
  const std::set<std::int32_t> stops = {all[1].ids[3], all[0].ids[7]};
  const auto stopped = together(prompts(), drawn(), {kTokens, stops});
  int ended = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    BOOST_TEST(stopped[i].ids == alone(prompts()[i], drawn(), {kTokens, stops}),
               boost::test_tools::per_element());
    ended += stopped[i].ending == Ending::stop ? 1 : 0;
  }
  BOOST_TEST(ended >= 2);
  BOOST_TEST(stopped[1].ids.size() <= 3U);
}

BOOST_AUTO_TEST_CASE(the_model_s_positions_and_the_caller_end_them) {
  const std::int64_t positions = nano().decoder().architecture().max_positions;
  const std::vector<BatchPrompt> longest = {{Ids(static_cast<std::size_t>(positions - 3), 17), 1}};
  const auto answers = together(longest, drawn(), {100, {}});
  BOOST_TEST(answers[0].ids.size() == 3U);
  BOOST_TEST((answers[0].ending == Ending::context));
  int asked = 0;
  BOOST_TEST(!answer_together(nano().decoder(), prompts(), {kTokens, {}}, drawn(), [&asked] {
                return ++asked > 12;  // among the tokens: four prompts through two layers come first
              }).has_value());
  BOOST_TEST(asked == 13);
  BOOST_CHECK_THROW(together(std::vector<BatchPrompt>{{{}, 1}}, drawn(), {1, {}}), Error);
}

BOOST_AUTO_TEST_CASE(groups_have_one_length_each) {
  const std::vector<std::vector<std::size_t>> expected = {{1, 3}, {4}, {2}, {0}};
  BOOST_TEST((equal_lengths({9, 4, 7, 4, 4}, 2) == expected));
  BOOST_TEST(equal_lengths({}, 8).empty());
}

BOOST_AUTO_TEST_SUITE_END()
