// The loop against full forward passes: prefill and single tokens, the kept cache, and every way a text ends.
#include "src/infer/generator.hpp"

#include "anemll/core/error.hpp"
#include "tests/support/temp_dir.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

using Ids = std::vector<std::int32_t>;
const Ids kPrompt = {17, 4000, 3, 255, 1024};

const ModelFiles& nano() {
  static const ModelFiles files = load_model_files(test::golden("nano"));
  return files;
}

/// The likeliest ids after `prompt`, each by a pass over the whole text.
Ids by_full_passes(Decoder& decoder, const Ids& prompt, std::int64_t count) {
  const at::NoGradGuard no_grad;
  std::vector<std::int64_t> all(prompt.begin(), prompt.end());
  Ids ids;
  for (std::int64_t i = 0; i < count; ++i) {
    const at::Tensor hidden = decoder.hidden(at::tensor(all, at::kLong).unsqueeze(0), {});
    all.push_back(decoder.logits(hidden.select(1, hidden.size(1) - 1)).argmax(-1).item<std::int64_t>());
    ids.push_back(static_cast<std::int32_t>(all.back()));
  }
  return ids;
}

Sampler greedy() {
  SamplingOptions options;
  options.temperature = 0;
  return {options, 0};
}

GenerationOptions up_to(std::int64_t tokens, std::set<std::int32_t> stops = {}) {
  return {tokens, std::move(stops)};
}

struct Nano {
  Decoder decoder{nano(), at::kCPU, /*dense=*/true};
  Generator generator{decoder};
  Sampler sampler = greedy();

  Generation answer(const Ids& prompt, const GenerationOptions& options, const GenerationCalls& calls = {}) {
    return generator.answer(prompt, options, sampler, calls);
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_generator)

BOOST_AUTO_TEST_CASE(a_greedy_text_is_that_of_full_passes) {
  Nano model;
  const Ids expected = by_full_passes(model.decoder, kPrompt, 12);
  const Generation made = model.answer(kPrompt, up_to(12));
  BOOST_TEST(made.ids == expected, boost::test_tools::per_element());
  BOOST_TEST((made.ending == Ending::length));
  BOOST_TEST(made.prompt_tokens == 5);
  BOOST_TEST(made.passes == 11);
}

BOOST_AUTO_TEST_CASE(a_stop_ends_the_text_and_is_not_shown) {
  Nano model;
  const Ids expected = by_full_passes(model.decoder, kPrompt, 12);
  const auto first = std::find(expected.begin(), expected.end(), expected[4]);
  Ids shown;
  GenerationCalls calls;
  calls.on_token = [&shown](std::int32_t id) { shown.push_back(id); };
  const Generation made = model.answer(kPrompt, up_to(12, {expected[4], 4095}), calls);
  BOOST_TEST((made.ending == Ending::stop));
  BOOST_TEST(made.ids == Ids(expected.begin(), first + 1), boost::test_tools::per_element());
  BOOST_TEST(shown == Ids(expected.begin(), first), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_next_turn_goes_on_from_the_common_beginning) {
  Nano model;
  const Generation first = model.answer(kPrompt, up_to(6));
  Ids longer = kPrompt;
  longer.insert(longer.end(), first.ids.begin(), first.ids.end());
  longer.insert(longer.end(), {9, 8});
  const Generation second = model.answer(longer, up_to(6));
  BOOST_TEST(second.ids == by_full_passes(model.decoder, longer, 6), boost::test_tools::per_element());
  BOOST_TEST(second.prompt_tokens <= static_cast<std::int64_t>(longer.size()));
  // Enough room now: only what is new is computed, and a changed token is.
  longer.push_back(7);
  const Generation third = model.answer(longer, up_to(2));
  BOOST_TEST(third.ids == by_full_passes(model.decoder, longer, 2), boost::test_tools::per_element());
  BOOST_TEST(third.prompt_tokens == 1);
  longer[3] = 100;
  const Generation fourth = model.answer(longer, up_to(2));
  BOOST_TEST(fourth.ids == by_full_passes(model.decoder, longer, 2), boost::test_tools::per_element());
  BOOST_TEST(fourth.prompt_tokens == static_cast<std::int64_t>(longer.size()) - 3);
}

BOOST_AUTO_TEST_CASE(a_caller_may_end_it_in_the_prompt_or_between_tokens) {
  Nano model;
  int asked = 0;
  GenerationCalls calls;
  calls.stop = [&asked] { return ++asked == 2; };  // before the second layer of the prompt
  const Generation none = model.answer(kPrompt, up_to(4), calls);
  BOOST_TEST((none.ending == Ending::asked));
  BOOST_TEST(none.ids.empty());

  bool enough = false;
  calls.stop = [&enough] { return enough; };
  calls.on_token = [&enough](std::int32_t) { enough = true; };
  const Generation one = model.answer(kPrompt, up_to(4), calls);
  BOOST_TEST((one.ending == Ending::asked));
  BOOST_TEST(one.ids.size() == 1U);
  // What was broken off leaves nothing wrong behind.
  BOOST_TEST(model.answer(kPrompt, up_to(4)).ids == by_full_passes(model.decoder, kPrompt, 4),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_model_s_positions_end_it_too) {
  Nano model;
  const std::int64_t positions = nano().architecture.max_positions;
  const Ids prompt(static_cast<std::size_t>(positions - 3), 17);
  const Generation made = model.answer(prompt, up_to(100));
  BOOST_TEST((made.ending == Ending::context));
  BOOST_TEST(made.ids.size() == 3U);
}

BOOST_AUTO_TEST_CASE(prompts_that_the_model_cannot_take) {
  Nano model;
  const auto positions = static_cast<std::size_t>(nano().architecture.max_positions);
  for (const Ids& prompt : {Ids{}, Ids{4096}, Ids{-1}, Ids(positions, 1)})
    BOOST_CHECK_EXCEPTION(model.answer(prompt, up_to(1)), Error,
                          [](const Error& e) { return e.code() == ExitCode::data && !e.hint().empty(); });
}

BOOST_AUTO_TEST_SUITE_END()
