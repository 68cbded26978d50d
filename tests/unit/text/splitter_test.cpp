// The split patterns against the Python library's pieces, and their cost on bad cases.
#include "src/text/internal/splitter.hpp"

#include "tests/unit/text/text_fixture.hpp"

#include <ctime>

namespace anemll::test {
namespace {

std::vector<std::string> pieces_of(SplitPattern pattern, const std::string& text) {
  std::vector<std::string> out;
  text::Splitter splitter(pattern, text);
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
  const std::pair<SplitPattern, const char*> patterns[] = {{SplitPattern::qwen2, "qwen2"},
                                                           {SplitPattern::gpt2, "gpt2"},
                                                           {SplitPattern::gpt2_digits, "gpt2_digits"}};
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

BOOST_AUTO_TEST_CASE(white_space_of_the_patterns) {
  // Each alone between letters is a piece of its own or goes with what follows; none is a letter or a sign.
  for (const char* space : {"\t", "\x0b", "\x0c", "\u0085", "\u00a0", "\u1680", "\u2000", "\u200a", "\u2028",
                            "\u2029", "\u202f", "\u205f", "\u3000"}) {
    const std::string text = std::string("!") + space + space + "!";
    BOOST_TEST(pieces_of(SplitPattern::qwen2, text) == (std::vector<std::string>{"!", space, space, "!"}),
               boost::test_tools::per_element());
  }
  for (const char* other : {"\x1c", "\x1f", "\u180e", "\u200b", "\u2060", "\ufeff"}) {
    const std::string text = std::string("!") + other + "!";
    BOOST_TEST(pieces_of(SplitPattern::qwen2, text) == std::vector<std::string>{text},
               boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(cost_is_linear) {
  // White space before a break, contractions, digits, marks: what a backtracking engine would try again.
  const auto seconds = [](SplitPattern pattern, const std::string& unit, std::size_t bytes) {
    std::string text;
    while (text.size() < bytes) text += unit;
    text += "x";
    const std::clock_t start = std::clock();
    text::Splitter splitter(pattern, text);
    std::size_t total = 0;
    for (std::string_view piece = splitter.next(); !piece.empty(); piece = splitter.next())
      total += piece.size();
    BOOST_TEST(total == text.size());
    return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  };
  // A quadratic scanner needs minutes for a megabyte; a linear one milliseconds.
  constexpr double kMostSeconds = 1.0;
  for (const SplitPattern pattern : {SplitPattern::qwen2, SplitPattern::gpt2, SplitPattern::gpt2_digits}) {
    for (const char* unit :
         {" ", "\n", " \n", "\t\r\n ", "'", "'s", "1", "1 ", "a", "\u0301", "!", "! ", "\u3000"})
      BOOST_TEST(seconds(pattern, unit, 1 << 20) < kMostSeconds, "pattern of " << unit);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
