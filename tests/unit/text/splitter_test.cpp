// The split patterns against the Python library's pieces, and their cost on bad cases.
#include "src/text/internal/splitter.hpp"

#include "tests/unit/text/text_fixture.hpp"

#include <algorithm>
#include <ctime>

namespace anemll::test {
namespace {

using Steps = std::vector<SplitPattern>;

const Steps kQwen2{SplitPattern::qwen2};

std::vector<std::string> pieces_of(const Steps& steps, const std::string& text) {
  std::vector<std::string> out;
  text::Splitter splitter(steps, text);
  for (std::string_view piece = splitter.next(); !piece.empty(); piece = splitter.next())
    out.emplace_back(piece);
  return out;
}

std::int64_t characters(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_splitter)

BOOST_AUTO_TEST_CASE(equals_the_python_library) {
  const std::pair<Steps, const char*> patterns[] = {
      {kQwen2, "qwen2"},
      {{SplitPattern::gpt2}, "gpt2"},
      {{SplitPattern::each_number, SplitPattern::gpt2}, "gpt2_digits"}};
  const Json cases = golden_json("text/split_cases.json");
  BOOST_TEST(cases.size() > 300U);
  for (const Json& item : cases) {
    const auto text = item["text"].get<std::string>();
    for (const auto& [pattern, name] : patterns) {
      std::vector<std::int64_t> lengths;
      std::string all;
      for (const std::string& piece : pieces_of(pattern, text)) {
        lengths.push_back(characters(piece));
        all += piece;
      }
      BOOST_TEST(all == text);
      BOOST_TEST_CONTEXT(name << " " << item.dump())
      BOOST_TEST(lengths == item[name].get<std::vector<std::int64_t>>(), boost::test_tools::per_element());
    }
  }
}

// Chains of pre-tokenizers as they stand in a tokenizer.json; sizes in bytes, one character a piece.
BOOST_AUTO_TEST_CASE(chains_equal_the_python_library) {
  const Json cases = golden_json("text/split_steps.json");
  const auto texts = cases["texts"].get<std::vector<std::string>>();
  BOOST_TEST(texts.size() > 200U);
  BOOST_TEST(cases.size() > 20U);
  for (const auto& [name, chain] : cases.items()) {
    if (name == "texts") continue;
    Json tokenizer = small_tokenizer_json();
    tokenizer["pre_tokenizer"] = chain["pre_tokenizer"];
    const Steps steps = parse_tokenizer_json(tokenizer.dump(), name).split;
    std::string sizes;
    for (const std::string& text : texts) {
      if (!sizes.empty()) sizes += ' ';
      std::string all;
      for (const std::string& piece : pieces_of(steps, text)) {
        sizes += "0123456789abcdefghijklmnopqrstuvwxyz"[std::min<std::size_t>(piece.size(), 35)];
        all += piece;
      }
      BOOST_TEST(all == text);
    }
    BOOST_TEST(sizes == chain["pieces"].get<std::string>(), name);
  }
}

BOOST_AUTO_TEST_CASE(without_steps_a_text_is_one_piece) {
  BOOST_TEST(pieces_of({}, "a b\n1") == std::vector<std::string>{"a b\n1"}, boost::test_tools::per_element());
  BOOST_TEST(pieces_of({}, "").empty());
}

BOOST_AUTO_TEST_CASE(white_space_of_the_patterns) {
  // Each alone between letters is a piece of its own or goes with what follows; none is a letter or a sign.
  for (const char* space : {"\t", "\x0b", "\x0c", "\u0085", "\u00a0", "\u1680", "\u2000", "\u200a", "\u2028",
                            "\u2029", "\u202f", "\u205f", "\u3000"}) {
    const std::string text = std::string("!") + space + space + "!";
    BOOST_TEST(pieces_of(kQwen2, text) == (std::vector<std::string>{"!", space, space, "!"}),
               boost::test_tools::per_element());
  }
  for (const char* other : {"\x1c", "\x1f", "\u180e", "\u200b", "\u2060", "\ufeff"}) {
    const std::string text = std::string("!") + other + "!";
    BOOST_TEST(pieces_of(kQwen2, text) == std::vector<std::string>{text}, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(cost_is_linear) {
  // White space before a break, contractions, digits, marks: what a backtracking engine would try again.
  const auto seconds = [](const Steps& steps, const std::string& unit, std::size_t bytes) {
    std::string text;
    while (text.size() < bytes) text += unit;
    text += "x";
    const std::clock_t start = std::clock();
    text::Splitter splitter(steps, text);
    std::size_t total = 0;
    for (std::string_view piece = splitter.next(); !piece.empty(); piece = splitter.next())
      total += piece.size();
    BOOST_TEST(total == text.size());
    return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  };
  // A quadratic scanner needs minutes for so many bytes; a linear one milliseconds.
  constexpr double kMostSeconds = 1.0;
  constexpr std::size_t kBytes = 1 << 17;
  for (auto step = SplitPattern::gpt2; step <= SplitPattern::han_and_kana;
       step = static_cast<SplitPattern>(static_cast<int>(step) + 1)) {
    for (const char* unit : {" ", "\n", " \n", "\t\r\n ", "'", "'s", "1", "1 ", "a", "\u0301", "!", "! ",
                             "\u3000", "A", "\u4e2dA", "A\u0301", "\x01", "\x01 ", "\u0661"})
      BOOST_TEST(seconds({step}, unit, kBytes) < kMostSeconds,
                 "step " << static_cast<int>(step) << " of " << unit);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
