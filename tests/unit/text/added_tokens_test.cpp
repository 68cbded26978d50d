// Added tokens that take white space or stand for whole words only: ids by tokenizers 0.23.3 over a
// vocabulary of bytes.
#include "tests/unit/text/text_fixture.hpp"

#include <ctime>

namespace anemll::test {
namespace {

constexpr std::int32_t kLeft = 256, kRight = 257, kWord = 258, kBoth = 259;

AddedToken token(std::int32_t id, const std::string& content) {
  AddedToken out;
  out.id = id;
  out.content = content;
  return out;
}

TokenizerSpec stripping() {
  TokenizerSpec spec = byte_spec();
  spec.added = {token(kLeft, "<l>"), token(kRight, "<r>"), token(kWord, "<w>"), token(kBoth, "<b>")};
  spec.added[0].lstrip = true;
  spec.added[1].rstrip = true;
  spec.added[2].single_word = true;
  spec.added[3].lstrip = spec.added[3].rstrip = spec.added[3].normalized = true;
  return spec;
}

Ids bytes_and(const std::string& before, const Ids& ids, const std::string& after = {}) {
  Ids out;
  for (const char c : before) out.push_back(static_cast<unsigned char>(c));
  out.insert(out.end(), ids.begin(), ids.end());
  for (const char c : after) out.push_back(static_cast<unsigned char>(c));
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_added_tokens)

BOOST_AUTO_TEST_CASE(white_space_that_a_token_takes) {
  const Tokenizer tokenizer(stripping(), "t");
  const auto gives = [&](const std::string& text, const Ids& ids) {
    BOOST_TEST_CONTEXT(text) BOOST_TEST(tokenizer.encode(text) == ids, boost::test_tools::per_element());
  };
  gives("a \u3000<l> b", bytes_and("a", {kLeft}, " b"));
  gives("<l> <l>", {kLeft, kLeft});
  gives("a<r> \n b", bytes_and("a", {kRight}, "b"));
  gives("<r>  <l>", {kRight, kLeft});
  gives("a <b> b", bytes_and("a", {kBoth}, "b"));
  gives("<b>  <b>", {kBoth, kBoth});
}

BOOST_AUTO_TEST_CASE(whole_words) {
  const Tokenizer tokenizer(stripping(), "t");
  for (const char* alone : {"", " ", "\u00b2", "-", "\n"}) {
    BOOST_TEST_CONTEXT(alone)
    BOOST_TEST(tokenizer.encode(std::string(alone) + "<w>") == bytes_and(alone, {kWord}),
               boost::test_tools::per_element());
  }
  // Letters, digits, underscores, marks, joiners, Roman numerals and letters in circles are parts of words.
  for (const char* word : {"a", "1", "_", "\u0301", "\u200d", "\u2160", "\u24d0", "\u4e2d"}) {
    const std::string text = std::string(word) + "<w>";
    BOOST_TEST_CONTEXT(text)
    BOOST_TEST(tokenizer.encode(text) == bytes_and(text, {}), boost::test_tools::per_element());
  }
  BOOST_TEST(tokenizer.encode("<w>b") == bytes_and("<w>b", {}), boost::test_tools::per_element());
  BOOST_TEST(tokenizer.encode("<w><w>") == (Ids{kWord, kWord}), boost::test_tools::per_element());
}

// A token may lie in the white space that the one before it takes; then both are there.
BOOST_AUTO_TEST_CASE(tokens_that_share_white_space) {
  TokenizerSpec spec = byte_spec();
  spec.added = {token(256, "<r>"), token(' ', " "), token('x', "x")};
  spec.vocabulary[' '].assign(1,
                              ' ');  // not in the byte alphabet: an added token has its content as it stands
  spec.added[0].rstrip = true;
  spec.added[2].lstrip = true;
  const Tokenizer tokenizer(spec, "t");
  BOOST_TEST(tokenizer.encode("<r>  a") == (Ids{256, ' ', ' ', 'a'}), boost::test_tools::per_element());
  BOOST_TEST(tokenizer.encode("<r> x") == (Ids{256, ' ', 'x'}), boost::test_tools::per_element());
  BOOST_TEST(tokenizer.encode("a  x") == (Ids{'a', ' ', ' ', 'x'}), boost::test_tools::per_element());
  BOOST_TEST(tokenizer.encode("x x") == (Ids{'x', ' ', 'x'}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(cost_of_stripping_is_linear) {
  const Tokenizer tokenizer(stripping(), "t");
  constexpr double kMostSeconds = 1.0;  // a quadratic search needs minutes for a megabyte
  for (const std::string unit : {" ", "<l", "<l> ", " <w>a", "<r>  "}) {
    std::string text;
    while (text.size() < (std::size_t{1} << 20)) text += unit;
    const std::clock_t start = std::clock();
    tokenizer.encode(text);
    BOOST_TEST(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC < kMostSeconds, unit);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
