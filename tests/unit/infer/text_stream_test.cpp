// Parts of a stream are whole characters and add up to the decoded text.
#include "src/infer/text_stream.hpp"

#include "src/core/rng.hpp"
#include "src/text/utf8.hpp"
#include "tests/support/temp_dir.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

using Ids = std::vector<std::int32_t>;
const std::string kReplacement = "\xef\xbf\xbd";

const Tokenizer& nano() {
  static const TextModel model = load_text_model(test::golden("nano"));
  return model.tokenizer;
}

/// All parts, each of which must be whole characters.
std::string streamed(const Ids& ids, bool skip_special = false) {
  TextStream stream(nano(), skip_special);
  std::string text;
  for (const std::int32_t id : ids) {
    const std::string part = stream.push(id);
    BOOST_TEST(text::first_bad_utf8(part) == std::string::npos);
    text += part;
  }
  return text + stream.finish();
}

bool splits_a_character(const Ids& ids) {
  for (const std::int32_t id : ids) {
    if (text::first_bad_utf8(nano().bytes({&id, 1})) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_text_stream)

BOOST_AUTO_TEST_CASE(characters_of_several_tokens_come_whole) {
  const std::string text = "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\xf0\x9f\x8e\x89 \xe6\xbc\xa2\xe5\xad\x97 end";
  const Ids ids = nano().encode(text);
  BOOST_TEST_REQUIRE(splits_a_character(ids));
  BOOST_TEST(streamed(ids) == text);
}

BOOST_AUTO_TEST_CASE(any_ids_stream_to_their_decoded_text) {
  const CounterRng rng(3, 1);
  for (std::uint64_t round = 0; round < 20; ++round) {
    Ids ids;
    // Single bytes are the first 256 ids: many of these runs are not UTF-8.
    for (std::uint64_t i = 0; i < 60; ++i)
      ids.push_back(static_cast<std::int32_t>(rng.below(round * 60 + i, i % 2 == 0 ? 256 : 4090)));
    for (const bool skip : {false, true}) BOOST_TEST(streamed(ids, skip) == nano().decode(ids, skip));
  }
}

BOOST_AUTO_TEST_CASE(an_unfinished_character_ends_as_a_replacement) {
  Ids ids = nano().encode("a \xf0\x9f\x98\x80");
  BOOST_TEST_REQUIRE(splits_a_character(ids));
  ids.pop_back();
  const std::string text = streamed(ids);
  BOOST_TEST(text == nano().decode(ids));
  BOOST_TEST(text.ends_with(kReplacement));
}

BOOST_AUTO_TEST_CASE(a_terminal_gets_no_commands) {
  BOOST_TEST(fit_for_terminal("one\n\ttwo\n") == "one\n\ttwo\n");
  BOOST_TEST(fit_for_terminal("\x1b[2Jgone\r\n\x11") == "\\x1B[2Jgone\\x0D\n\\x11");
  BOOST_TEST(fit_for_terminal("caf\xc3\xa9") == "caf\xc3\xa9");
}

BOOST_AUTO_TEST_CASE(an_id_of_a_padded_vocabulary_is_a_replacement) {
  const auto above = static_cast<std::int32_t>(nano().size());
  Ids ids = nano().encode("one");
  ids.push_back(above);
  BOOST_TEST(streamed(ids) == "one" + kReplacement);
}

BOOST_AUTO_TEST_SUITE_END()
