// Encoding and decoding: goldens of the Python library, and the rules one by one on small vocabularies.
#include "tests/support/real_models.hpp"
#include "tests/unit/text/text_fixture.hpp"

#include <atomic>
#include <thread>

namespace anemll::test {
namespace {

/// A key that a case lacks has the value of the one before it: decoded_skip_special, decoded, text.
void check_cases(const Tokenizer& tokenizer, const Json& cases, bool with_skipped) {
  BOOST_TEST(cases.size() > 100U);
  for (const Json& item : cases) {
    const auto text = item["text"].get<std::string>();
    const auto ids = item["ids"].get<Ids>();
    BOOST_TEST(tokenizer.encode(text) == ids, boost::test_tools::per_element());
    const auto decoded = item.value("decoded", text);
    BOOST_TEST(tokenizer.decode(ids) == decoded);
    if (with_skipped) BOOST_TEST(tokenizer.decode(ids, true) == item.value("decoded_skip_special", decoded));
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_tokenizer)

BOOST_AUTO_TEST_CASE(nano_equals_the_python_library) {
  const TextModel model = load_text_model(golden("nano"));
  BOOST_TEST(model.tokenizer.size() == 4096);
  check_cases(model.tokenizer, golden_json("text/nano_cases.json"), true);
}

// The full vocabularies are too big for this repository.
BOOST_AUTO_TEST_CASE(qwen3_equals_the_python_library, *needs_models({"qwen3-tokenizer"})) {
  const TextModel model = load_text_model(test_models() / "qwen3-tokenizer");
  check_cases(model.tokenizer, golden_json("text/qwen3_cases.json"), false);
}

/// Its cases hold no decodings: bytes without a token vanish, so that a text need not come back.
void check_smollm2(const std::filesystem::path& source) {
  const Json cases = golden_json("text/smollm2_cases.json");
  BOOST_TEST(cases.size() > 100U);
  const TextModel model = load_text_model(source);
  for (const Json& item : cases)
    BOOST_TEST(model.tokenizer.encode(item["text"].get<std::string>()) == item["ids"].get<Ids>(),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(smollm2_equals_the_python_library, *needs_models({"smollm2"})) {
  check_smollm2(test_models() / "smollm2");
}

BOOST_AUTO_TEST_CASE(smollm2_gguf_equals_the_python_library, *needs_models({"smollm2.gguf"})) {
  check_smollm2(test_models() / "smollm2.gguf");
}

BOOST_AUTO_TEST_CASE(lowest_rank_first_then_leftmost) {
  const Tokenizer ab_first(byte_spec({{"a", "b"}, {"b", "c"}, {"a", "a"}}), "t");
  BOOST_TEST(ab_first.encode("abc") == (Ids{256, 'c'}), boost::test_tools::per_element());
  BOOST_TEST(ab_first.encode("aaa") == (Ids{258, 'a'}), boost::test_tools::per_element());
  const Tokenizer bc_first(byte_spec({{"b", "c"}, {"a", "b"}}), "t");
  BOOST_TEST(bc_first.encode("abc") == (Ids{'a', 256}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_pair_that_comes_again_has_its_last_rank) {
  TokenizerSpec spec = byte_spec({{"a", "b"}, {"b", "c"}});
  spec.merges.push_back(spec.merges.front());
  BOOST_TEST(Tokenizer(spec, "t").encode("abc") == (Ids{'a', 257}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(tokens_that_no_merge_reaches) {
  TokenizerSpec spec = byte_spec();
  spec.vocabulary.push_back("ab");
  BOOST_TEST(Tokenizer(spec, "t").encode("ab ab") == (Ids{'a', 'b', ' ', 'a', 'b'}),
             boost::test_tools::per_element());
  spec.ignore_merges = true;
  BOOST_TEST(Tokenizer(spec, "t").encode("ab abc") == (Ids{256, ' ', 'a', 'b', 'c'}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(bytes_without_a_token_vanish) {
  TokenizerSpec spec = byte_spec({{"a", "c"}});
  spec.vocabulary['b'].clear();
  // What stood on both sides is then side by side.
  BOOST_TEST(Tokenizer(spec, "t").encode("abc b") == (Ids{256, ' '}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(long_pieces_merge_like_short_ones) {
  // A ladder of merges, so that every length has a known answer; 48 symbols is where the method changes.
  std::vector<std::pair<std::string, std::string>> merges;
  for (std::size_t n = 1; n <= 64; n *= 2) merges.emplace_back(std::string(n, 'x'), std::string(n, 'x'));
  const Tokenizer tokenizer(byte_spec(merges), "t");
  for (const std::size_t length : {1U, 2U, 47U, 48U, 49U, 50U, 127U, 128U, 1000U}) {
    Ids expected(length / 128, 262);
    for (std::size_t bit = 6; bit-- > 0;) {
      if ((length % 128 & std::size_t{1} << (bit + 1)) != 0)
        expected.push_back(static_cast<std::int32_t>(256 + bit));
    }
    if (length % 2 != 0) expected.push_back('x');
    BOOST_TEST(tokenizer.encode(std::string(length, 'x')) == expected, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_megabyte_without_a_break) {
  std::vector<std::pair<std::string, std::string>> merges;
  for (std::size_t n = 1; n <= 8; n *= 2) merges.emplace_back(std::string(n, 'x'), std::string(n, 'x'));
  const Tokenizer tokenizer(byte_spec(merges), "t");
  // Quadratic merging takes minutes here, and the test program has two.
  const Ids ids = tokenizer.encode(std::string(1'000'000, 'x'));
  BOOST_TEST(ids.size() == 1'000'000U / 16);
  BOOST_TEST((ids == Ids(ids.size(), 259)));
}

BOOST_AUTO_TEST_CASE(added_tokens_are_found_leftmost_and_longest) {
  TokenizerSpec spec = byte_spec();
  spec.added = {{256, "ab", false, false}, {257, "abcd", true, false}, {258, "bcdefg", false, false}};
  const Tokenizer tokenizer(spec, "t");
  BOOST_TEST(tokenizer.encode("abcdefg") == (Ids{257, 'e', 'f', 'g'}), boost::test_tools::per_element());
  BOOST_TEST(tokenizer.encode("abc bcdefg ab") == (Ids{256, 'c', ' ', 258, ' ', 256}),
             boost::test_tools::per_element());
  BOOST_TEST(tokenizer.encode("abcab") == (Ids{256, 'c', 256}), boost::test_tools::per_element());
  BOOST_TEST(tokenizer.decode(Ids{256, 257, 258}) == "ababcdbcdefg");
  BOOST_TEST(tokenizer.decode(Ids{256, 257, 258}, true) == "abbcdefg");
}

BOOST_AUTO_TEST_CASE(added_tokens_are_found_before_or_after_normalisation) {
  TokenizerSpec spec = byte_spec();
  spec.nfc = true;
  spec.added = {{256, "<\u00e9>", false, false}, {257, "[\u00e9]", false, true}};
  const Tokenizer tokenizer(spec, "t");
  const Ids composed{'<', 0xc3, 0xa9, '>', 257};
  BOOST_TEST(tokenizer.encode("<e\u0301>[e\u0301]") == composed, boost::test_tools::per_element());
  BOOST_TEST(tokenizer.encode("<\u00e9>[\u00e9]") == (Ids{256, 257}), boost::test_tools::per_element());
  // A mark after a token has nothing to join.
  BOOST_TEST(tokenizer.encode("<\u00e9>\u0301") == (Ids{256, 0xcc, 0x81}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(foreign_ids_are_found) {
  const Ids ids{0, 7, 3, -1, 9};
  BOOST_TEST(!find_foreign_id(std::span(ids).first(3), 8).has_value());
  BOOST_TEST(find_foreign_id(ids, 8).value() == 3U);
  BOOST_TEST(find_foreign_id(ids, 7).value() == 1U);
  BOOST_TEST(find_foreign_id(ids, 0).value() == 0U);
  BOOST_TEST(!find_foreign_id({}, 0).has_value());
}

BOOST_AUTO_TEST_CASE(ids_are_appended) {
  const Tokenizer tokenizer(byte_spec(), "t");
  Ids ids{7};
  tokenizer.encode("ab", ids);
  tokenizer.encode("", ids);
  BOOST_TEST(ids == (Ids{7, 'a', 'b'}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(every_byte_comes_back) {
  const Tokenizer tokenizer(byte_spec(), "t");
  std::string all;
  for (char32_t value = 1; value < 0x110000; value += 61) {
    if (value < 0xd800 || value > 0xdfff) text::append_code_point(all, value);
  }
  all += '\0';
  BOOST_TEST((tokenizer.decode(tokenizer.encode(all)) == all));
}

BOOST_AUTO_TEST_CASE(bytes_that_are_not_utf8_are_replaced_by_maximal_parts) {
  const Tokenizer tokenizer(byte_spec(), "t");
  const auto decoded = [&](const std::string& bytes) {
    Ids ids;
    for (const char c : bytes) ids.push_back(static_cast<unsigned char>(c));
    return tokenizer.decode(ids);
  };
  const std::string mark = "\ufffd";
  BOOST_TEST(decoded("a\xff"
                     "b") == "a" + mark + "b");
  BOOST_TEST(decoded("\xe2\x82") == mark);
  BOOST_TEST(decoded("\xe2\x82\x28") == mark + "(");
  BOOST_TEST(decoded("\xf0\x9f\x98") == mark);
  BOOST_TEST(decoded("\xc0\x80") == mark + mark);
  BOOST_TEST(decoded("\xed\xa0\x80") == mark + mark + mark);
  BOOST_TEST(decoded("\xf4\x90\x80\x80") == mark + mark + mark + mark);
  BOOST_TEST(decoded("\xe2\x82\xac") == "\u20ac");
}

BOOST_AUTO_TEST_CASE(finds_tokens_as_files_spell_them) {
  TokenizerSpec spec = byte_spec({{" ", "a"}});
  spec.added = {{257, "<end>", true, false}};
  const Tokenizer tokenizer(spec, "t");
  BOOST_TEST((tokenizer.find("\u0120a") == std::optional(256)));
  BOOST_TEST((tokenizer.find("<end>") == std::optional(257)));
  BOOST_TEST(!tokenizer.find(" a").has_value());
  BOOST_TEST(!tokenizer.find("zz").has_value());
  BOOST_TEST(!tokenizer.find("\xff").has_value());
  BOOST_TEST(tokenizer.size() == 258);
}

BOOST_AUTO_TEST_CASE(many_threads_share_one) {
  const TextModel model = load_text_model(golden("nano"));
  const Json cases = golden_json("text/nano_cases.json");
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (const Json& item : cases) {
        if (model.tokenizer.encode(item["text"].get_ref<const std::string&>()) != item["ids"].get<Ids>())
          ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  BOOST_TEST(wrong == 0);
}

BOOST_AUTO_TEST_CASE(bad_input_is_refused) {
  const Tokenizer tokenizer(byte_spec(), "the file");
  expect_data_error([&] { tokenizer.encode("ab\xc3("); }, {"byte 2", "not UTF-8"});
  expect_data_error([&] { tokenizer.encode("\xed\xa0\x80"); }, {"byte 0"});
  expect_data_error([&] { tokenizer.decode(Ids{1, 256}); }, {"256", "the file"});
  expect_data_error([&] { tokenizer.decode(Ids{-1}); }, {"-1"});
  TokenizerSpec holes = byte_spec();
  holes.vocabulary['q'].clear();
  expect_data_error([&] { Tokenizer(holes, "t").decode(Ids{'q'}); }, {"113 is not a token id"});
}

BOOST_AUTO_TEST_CASE(inconsistent_parts_are_refused) {
  const auto refuses = [](const auto& change, const std::string& part) {
    TokenizerSpec spec = byte_spec({{"a", "b"}});
    change(spec);
    expect_data_error([&] { Tokenizer(spec, "the file"); }, {part, "the file"});
  };
  refuses([](TokenizerSpec& s) { s.vocabulary.emplace_back("a"); }, "'a' is in the vocabulary twice");
  refuses([](TokenizerSpec& s) { s.vocabulary.insert(s.vocabulary.end(), 2, "\u4e00"); }, "twice");
  refuses([](TokenizerSpec& s) { s.vocabulary.emplace_back("\xff"); }, "257 is not UTF-8");
  refuses([](TokenizerSpec& s) { s.merges.emplace_back("a", "zz"); }, "merge 1 needs the token 'zz'");
  refuses([](TokenizerSpec& s) { s.merges.emplace_back("b", "c"); }, "merge 1 needs the token 'bc'");
  refuses([](TokenizerSpec& s) { s.merges.emplace_back("\xff", "c"); }, "merge 1 is not UTF-8");
  refuses([](TokenizerSpec& s) { s.added = {{-1, "x", false, false}}; }, "the id -1");
  refuses([](TokenizerSpec& s) { s.added = {{257, "", false, false}}; }, "is empty");
  refuses([](TokenizerSpec& s) { s.added = {{257, "\xff", false, false}}; }, "not UTF-8");
  refuses([](TokenizerSpec& s) { s.added = {{97, "<x>", false, false}}; }, "id 97 of the token 'a'");
  refuses([](TokenizerSpec& s) { s.added = {{257, "a", false, false}}; }, "the ids 257 and 97");
  refuses(
      [](TokenizerSpec& s) {
        s.added = {{257, "<x>", false, false}, {258, "<x>", true, false}};
      },
      "the ids 257 and 258");
  refuses(
      [](TokenizerSpec& s) {
        s.added = {{257, "<x>", false, false}, {257, "<y>", true, false}};
      },
      "two added tokens have the id 257");
  refuses([](TokenizerSpec& s) { s.added = {{2'000'000'000, "<x>", false, false}}; }, "far above");
  refuses(
      [](TokenizerSpec& s) {
        s.nfc = true;
        s.added = {{257, "e\u0301", false, true}};
      },
      "not in NFC");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
