// Normalisation against the Python library, and its tables against the Unicode data.
#include "src/text/internal/nfc.hpp"

#include "src/text/utf8.hpp"
#include "tests/unit/text/text_fixture.hpp"

#include <cstdlib>
#include <ctime>
#include <set>

#include <utf8proc.h>

namespace anemll::test {
namespace {

std::string nfc(const std::string& text) {
  std::string buffer;
  return std::string(text::to_nfc(text, buffer));
}

std::vector<std::int32_t> canonical_parts(std::int32_t value) {
  std::int32_t parts[32];
  int ignored = 0;
  const auto count = utf8proc_decompose_char(
      value, parts, 32, static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE), &ignored);
  return {parts, parts + count};
}

/// What utf8proc alone makes of one character.
std::string plain_nfc(const std::string& text) {
  utf8proc_uint8_t* out = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                 static_cast<utf8proc_ssize_t>(text.size()), &out,
                                 static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  std::string result(reinterpret_cast<const char*>(out), static_cast<std::size_t>(size));
  std::free(out);
  return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_nfc)

BOOST_AUTO_TEST_CASE(equals_the_python_library) {
  const Json cases = golden_json("text/nfc_cases.json");
  BOOST_TEST(cases.size() > 200U);
  for (const Json& item : cases) {
    BOOST_TEST_CONTEXT(item.dump()) {
      BOOST_TEST(nfc(item["text"].get<std::string>()) == item["nfc"].get<std::string>());
      // Neighbours that do not interact change nothing.
      BOOST_TEST(nfc("a " + item["text"].get<std::string>() + "\u4e00z") ==
                 "a " + item["nfc"].get<std::string>() + "\u4e00z");
    }
  }
}

BOOST_AUTO_TEST_CASE(starters_are_starters) {
  // Second characters of pairs that compose: the last part of every decomposition, and the jamo.
  std::set<std::int32_t> seconds;
  for (std::int32_t value = 0; value < 0x110000; ++value) {
    const auto parts = canonical_parts(value);
    if (parts.size() > 1) seconds.insert(parts.begin() + 1, parts.end());
  }
  int checked = 0;
  for (std::int32_t value = 0; value < 0x110000; ++value) {
    if (text::nfc_class(static_cast<char32_t>(value)) != text::NfcClass::starter) continue;
    std::string text;
    text::append_code_point(text, static_cast<char32_t>(value));
    const bool good = utf8proc_get_property(value)->combining_class == 0 && seconds.count(value) == 0 &&
                      plain_nfc(text) == text;
    if (!good) BOOST_ERROR("U+" << std::hex << value << " is no such starter");
    ++checked;
  }
  BOOST_TEST(checked > 80000);
}

BOOST_AUTO_TEST_CASE(text_in_nfc_is_not_copied) {
  std::string buffer;
  for (const std::string text : {"", "plain", "caf\u00e9 \u0416 \u4e00\u3042\uac00 \U0001f600"})
    BOOST_TEST((text::to_nfc(text, buffer).data() == text.data()));
}

BOOST_AUTO_TEST_CASE(marks_are_ordered_in_linear_time) {
  // Alternating classes 230 and 220: an ordering by neighbours would take minutes.
  std::string text = "q";
  std::string above, below;
  for (int i = 0; i < 200'000; ++i) {
    text += "\u030d\u0316";
    above += "\u030d";
    below += "\u0316";
  }
  constexpr double kMostSeconds = 2.0;
  const std::clock_t start = std::clock();
  BOOST_TEST((nfc(text) == "q" + below + above));
  BOOST_TEST(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC < kMostSeconds);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
