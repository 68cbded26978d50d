// What of tokenizer.json is accepted, and that everything else is refused by name.
#include "tests/unit/text/text_fixture.hpp"

#include <algorithm>

namespace anemll::test {
namespace {

constexpr const char* kQwen =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

Json split_step(const std::string& regex) {
  return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}};
}
Json byte_level(bool splits) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", splits}};
}
Json sequence(const Json& steps) {
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

using Steps = std::vector<SplitPattern>;

TokenizerSpec parse(const Json& json) {
  return parse_tokenizer_json(json.dump(), "the file");
}

template <class Change>
void refuses(const Change& change, const std::vector<std::string>& parts) {
  Json json = small_tokenizer_json();
  change(json);
  std::vector<std::string> all = parts;
  all.emplace_back("the file");
  expect_data_error([&] { parse(json); }, all);
}

template <class Change>
TokenizerSpec accepts(const Change& change) {
  Json json = small_tokenizer_json();
  change(json);
  return parse(json);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_tokenizer_json)

BOOST_AUTO_TEST_CASE(a_small_one) {
  const TokenizerSpec spec = parse(small_tokenizer_json());
  BOOST_TEST(spec.vocabulary.size() == 258U);
  BOOST_TEST(spec.merges.size() == 2U);
  BOOST_TEST(spec.merges[1].first == "th");
  BOOST_TEST(spec.added.size() == 1U);
  BOOST_TEST(spec.added[0].special);
  BOOST_TEST(spec.nfc);
  BOOST_TEST(!spec.ignore_merges);
  BOOST_TEST((spec.split == Steps{SplitPattern::gpt2}));
  BOOST_TEST(Tokenizer(spec, "t").encode("the<end>") == (Ids{257, 258}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(split_patterns) {
  const auto split_of = [](const Json& step) {
    return accepts([&](Json& j) { j["pre_tokenizer"] = step; }).split;
  };
  const Json digits{{"type", "Digits"}, {"individual_digits", true}};
  const Json triples = split_step("[0-9][0-9][0-9]");
  BOOST_TEST((split_of(sequence({split_step(kQwen), byte_level(false)})) == Steps{SplitPattern::qwen2}));
  BOOST_TEST((split_of(sequence({digits, byte_level(true)})) ==
              Steps{SplitPattern::each_number, SplitPattern::gpt2}));
  BOOST_TEST((split_of(sequence(Json::array({byte_level(true)}))) == Steps{SplitPattern::gpt2}));
  BOOST_TEST((split_of({{"type", "ByteLevel"}, {"add_prefix_space", false}}) == Steps{SplitPattern::gpt2}));
  BOOST_TEST(split_of(byte_level(false)).empty());
  // Every step works on the pieces of the one before.
  BOOST_TEST((split_of(sequence({split_step(kQwen), byte_level(true)})) ==
              Steps{SplitPattern::qwen2, SplitPattern::gpt2}));
  BOOST_TEST((split_of(sequence({sequence({digits, split_step(kQwen)}), byte_level(false)})) ==
              Steps{SplitPattern::each_number, SplitPattern::qwen2}));
  // Behind ByteLevel a digit is one of the byte alphabet.
  BOOST_TEST((split_of(sequence({byte_level(true), digits, triples})) ==
              Steps{SplitPattern::gpt2, SplitPattern::each_byte_number, SplitPattern::ascii_triples}));
  // Line ends may stand in a Regex as themselves.
  BOOST_TEST((split_of(sequence({split_step("[\r\n]"), split_step("[\\r\\n]"), byte_level(false)})) ==
              Steps{SplitPattern::line_ends, SplitPattern::line_ends}));
  // A pattern that leaves nothing between its matches gives the same pieces where the rest is removed.
  Json removed = split_step(kQwen);
  removed["behavior"] = "Removed";
  removed["invert"] = true;
  BOOST_TEST((split_of(sequence({removed, byte_level(false)})) == Steps{SplitPattern::qwen2}));
}

// 22-post-sequence-adds-nothing, 28-no-decoder
BOOST_AUTO_TEST_CASE(variants_that_change_nothing) {
  accepts([](Json& j) { j["post_processor"] = {{"type", "ByteLevel"}, {"trim_offsets", false}}; });
  accepts([](Json& j) {
    j["post_processor"] = {{"type", "TemplateProcessing"},
                           {"single", Json::array({{{"Sequence", {{"id", "A"}, {"type_id", 0}}}}})}};
  });
  accepts([](Json& j) { j.erase("truncation"); });
  accepts([](Json& j) {
    j["post_processor"] = {{"type", "Sequence"}, {"processors", Json::array({{{"type", "ByteLevel"}}})}};
  });
  accepts([](Json& j) { j["decoder"] = nullptr; });
  accepts([](Json& j) {
    j["decoder"] = {{"type", "Sequence"}, {"decoders", Json::array({{{"type", "ByteLevel"}}})}};
  });
  accepts([](Json& j) {
    j["decoder"] = {{"type", "Sequence"},
                    {"decoders", Json::array({{{"type", "ByteLevel"}}, {{"type", "Fuse"}}})}};
  });
  accepts([](Json& j) { j["model"].erase("type"); });
  accepts([](Json& j) { j["model"]["dropout"] = 0.0; });
  accepts([](Json& j) { j["model"]["byte_fallback"] = true; });
  accepts([](Json& j) { j["model"]["unk_token"] = "<unk>"; });
  accepts([](Json& j) { j["model"]["continuing_subword_prefix"] = ""; });
  accepts([](Json& j) { j.erase("added_tokens"); });
  BOOST_TEST(!accepts([](Json& j) { j["normalizer"] = nullptr; }).nfc);
  BOOST_TEST(accepts([](Json& j) {
               j["normalizer"] = {{"type", "Sequence"}, {"normalizers", Json::array({{{"type", "NFC"}}})}};
             }).nfc);
  BOOST_TEST(accepts([](Json& j) { j["model"]["ignore_merges"] = true; }).ignore_merges);
  BOOST_TEST(accepts([](Json& j) { j["added_tokens"][0]["normalized"] = true; }).added[0].normalized);
}

// 04-llama3-style
BOOST_AUTO_TEST_CASE(what_a_post_processor_adds_is_known_and_not_added) {
  const Json text{{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json begin{{"SpecialToken", {{"id", "<end>"}, {"type_id", 0}}}};
  const Json tokens{{"<end>", {{"id", "<end>"}, {"ids", {258}}, {"tokens", {"<end>"}}}}};
  const auto with = [&](const Json& single) {
    return accepts([&](Json& j) {
      j["post_processor"] = {{"type", "TemplateProcessing"}, {"single", single}, {"special_tokens", tokens}};
    });
  };
  const TokenizerSpec first = with({begin, text});
  BOOST_TEST(first.text_begin == Ids{258}, boost::test_tools::per_element());
  BOOST_TEST(first.text_end.empty());
  BOOST_TEST(Tokenizer(first, "t").encode("the") == Ids{257}, boost::test_tools::per_element());
  BOOST_TEST(with({text, begin}).text_end == Ids{258}, boost::test_tools::per_element());
  BOOST_TEST(with(Json::array({text})).text_begin.empty());
  const TokenizerSpec roberta = accepts([](Json& j) {
    j["post_processor"] = {{"type", "RobertaProcessing"}, {"cls", {"<end>", 258}}, {"sep", {"a", 97}}};
  });
  BOOST_TEST(roberta.text_begin == Ids{258}, boost::test_tools::per_element());
  BOOST_TEST(roberta.text_end == Ids{97}, boost::test_tools::per_element());
  const auto refused = [&](const Json& single, const std::string& part) {
    refuses(
        [&](Json& j) {
          j["post_processor"] = {
              {"type", "TemplateProcessing"}, {"single", single}, {"special_tokens", tokens}};
        },
        {part});
  };
  refused({text, text}, "2 times the text");
  refused(Json::array({begin}), "0 times the text");
  refused({{{"SpecialToken", {{"id", "<s>"}}}}, text}, "no ids of its special token '<s>'");
  refused({{{"Other", 1}}, text}, "neither Sequence nor SpecialToken");
}

// 02b-truncation-nano
BOOST_AUTO_TEST_CASE(lengths_of_batches_are_kept_for_the_caller) {
  const TokenizerSpec spec = accepts([](Json& j) {
    j["truncation"] = {{"max_length", 512}};
    j["padding"] = {{"pad_id", 0}};
  });
  BOOST_TEST(spec.of_batches == (std::vector<std::string>{"truncation", "padding"}),
             boost::test_tools::per_element());
}

// 24c-added-twice
BOOST_AUTO_TEST_CASE(an_added_token_that_comes_twice) {
  const TokenizerSpec spec = accepts([](Json& j) {
    Json again = j["added_tokens"][0];
    again["rstrip"] = true;
    again["special"] = false;
    j["added_tokens"].push_back(again);
  });
  BOOST_TEST(spec.added.size() == 1U);
  BOOST_TEST(spec.added[0].rstrip);
  BOOST_TEST(spec.added[0].special);
  refuses(
      [](Json& j) {
        j["added_tokens"].push_back(j["added_tokens"][0]);
        j["added_tokens"][1]["id"] = 259;
      },
      {"'<end>' has the ids 258 and 259"});
}

BOOST_AUTO_TEST_CASE(unsupported_components_are_named) {
  refuses([](Json& j) { j["normalizer"] = {{"type", "NFKC"}}; }, {"the normalizer NFKC"});
  refuses(
      [](Json& j) {
        j["normalizer"] = {{"type", "Sequence"}, {"normalizers", Json::array({{{"type", "Lowercase"}}})}};
      },
      {"the normalizer Lowercase"});
  refuses([](Json& j) { j["pre_tokenizer"] = nullptr; }, {"no pre-tokenizer"});
  refuses([](Json& j) { j["pre_tokenizer"] = {{"type", "Metaspace"}}; }, {"the pre-tokenizer Metaspace"});
  refuses([](Json& j) { j["pre_tokenizer"]["add_prefix_space"] = true; },
          {"ByteLevel with add_prefix_space"});
  const auto steps = [](const Json& list) {
    return [list](Json& j) { j["pre_tokenizer"] = sequence(list); };
  };
  refuses(steps({split_step(R"(\p{N}{1,4})"), byte_level(false)}), {R"(the Regex \p{N}{1,4})"});
  refuses(steps({byte_level(false), split_step(kQwen)}), {"Split after ByteLevel"});
  refuses(steps({byte_level(false), byte_level(false)}), {"ByteLevel after ByteLevel"});
  refuses(steps({{{"type", "Punctuation"}}, byte_level(false)}), {"Punctuation with the behavior Isolated"});
  Json nine(9, split_step(kQwen));
  nine.push_back(byte_level(false));
  refuses(steps(nine), {"9 steps that split"});
  refuses(steps(Json::array({split_step(kQwen)})), {"no pre-tokenizer ByteLevel"});
  refuses(steps({split_step(kQwen), {{"type", "Whitespace"}}, byte_level(false)}),
          {"the pre-tokenizer Whitespace"});
  Json changed = split_step(kQwen);
  changed["behavior"] = "Removed";
  refuses(steps({changed, byte_level(false)}), {"the behavior Removed"});
  changed = split_step(kQwen);
  changed["behavior"] = "MergedWithNext";
  refuses(steps({changed, byte_level(false)}), {"the behavior MergedWithNext"});
  changed = split_step("[\r\n]");
  changed["behavior"] = "Removed";
  changed["invert"] = true;
  refuses(steps({changed, byte_level(false)}), {"the behavior Removed and invert"});
  changed = split_step(kQwen);
  changed["pattern"] = {{"String", " "}};
  refuses(steps({changed, byte_level(false)}), {"a pattern that is no Regex"});
  refuses(
      [](Json& j) {
        j["post_processor"] = {{"type", "OtherProcessing"}};
      },
      {"the post-processor OtherProcessing"});
  refuses([](Json& j) { j["decoder"] = {{"type", "WordPiece"}}; }, {"the decoder WordPiece"});
  for (const char* model : {"WordPiece", "Unigram", "WordLevel"})
    refuses([&](Json& j) { j["model"]["type"] = model; }, {"the model " + std::string(model)});
  const auto without_a_byte = [](Json& j) {
    j["model"]["vocab"].erase("a");
    j["added_tokens"][0]["id"] = 257;
  };
  refuses(
      [&](Json& j) {
        without_a_byte(j);
        j["model"]["byte_fallback"] = true;
      },
      {"byte_fallback and without a token for every byte"});
  refuses(
      [&](Json& j) {
        without_a_byte(j);
        j["model"]["unk_token"] = "<unk>";
      },
      {"unk_token and without a token for every byte"});
  refuses([](Json& j) { j["model"]["dropout"] = 0.1; }, {"dropout"});
  refuses([](Json& j) { j["model"]["continuing_subword_prefix"] = "##"; }, {"continuing_subword_prefix"});
  refuses([](Json& j) { j["model"]["end_of_word_suffix"] = "</w>"; }, {"end_of_word_suffix"});
  refuses([](Json& j) { j["version"] = "2.0"; }, {"the format version 2.0"});
}

BOOST_AUTO_TEST_CASE(damaged_files_are_refused) {
  const auto text = [](const std::string& json, const std::string& part) {
    expect_data_error([&] { parse_tokenizer_json(json, "the file"); }, {part, "the file"});
  };
  text("", "not valid JSON");
  text("{\"model\": ", "not valid JSON");
  text("[]", "not a JSON object");
  text("{\"version\": \"1.0\", \"x\": \"\xff\"}", "not valid JSON");
  text(std::string(3000, '[') + std::string(3000, ']'), "not valid JSON");
  refuses([](Json& j) { j.erase("model"); }, {"no 'model'"});
  refuses([](Json& j) { j["model"] = 3; }, {"model is not an object"});
  refuses([](Json& j) { j["model"].erase("vocab"); }, {"vocab"});
  refuses([](Json& j) { j["model"]["vocab"] = Json::object(); }, {"vocab is empty"});
  refuses([](Json& j) { j["model"]["vocab"]["zz"] = -1; }, {"no valid id"});
  refuses([](Json& j) { j["model"]["vocab"]["zz"] = 1.5; }, {"no valid id"});
  refuses([](Json& j) { j["model"]["vocab"]["zz"] = 4'000'000'000U; }, {"no valid id"});
  refuses([](Json& j) { j["model"]["vocab"]["zz"] = 200'000'000; }, {"an id of 200000000"});
  refuses([](Json& j) { j["model"]["vocab"]["zz"] = 3; }, {"the same id 3"});
  refuses([](Json& j) { j["model"]["vocab"][""] = 258; }, {"is empty"});
  refuses([](Json& j) { j["model"]["merges"] = "t h"; }, {"merges is not a list"});
  refuses([](Json& j) { j["model"]["merges"][0] = "t"; }, {"merge 0"});
  refuses([](Json& j) { j["model"]["merges"][0] = "t h e"; }, {"merge 0"});
  refuses([](Json& j) { j["model"]["merges"][1] = Json::array({"t", "h", "e"}); }, {"merge 1"});
  refuses([](Json& j) { j["model"]["merges"][1] = Json::array({"t", 1}); }, {"merge 1"});
  refuses([](Json& j) { j["model"]["merges"][1] = 7; }, {"merge 1"});
  refuses([](Json& j) { j["model"]["ignore_merges"] = 1; }, {"ignore_merges is not true or false"});
  refuses([](Json& j) { j["added_tokens"] = 5; }, {"added_tokens is not a list"});
  refuses([](Json& j) { j["added_tokens"][0].erase("id"); }, {"lacks content or id"});
  refuses([](Json& j) { j["added_tokens"][0]["id"] = 300; }, {"'<end>' has the id 300 where 258 is next"});
  refuses([](Json& j) { j["added_tokens"][0]["content"] = 300; }, {"content"});
  refuses([](Json& j) { j["pre_tokenizer"] = {{"type", "Sequence"}}; }, {"no pretokenizers"});
  refuses([](Json& j) { j["pre_tokenizer"].erase("type"); }, {"has no type"});
  refuses([](Json& j) { j["normalizer"] = "NFC"; }, {"normalizer is not an object"});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
