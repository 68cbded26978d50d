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
  BOOST_TEST((spec.split == SplitPattern::gpt2));
  BOOST_TEST(Tokenizer(spec, "t").encode("the<end>") == (Ids{257, 258}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(split_patterns) {
  const auto split_of = [](const Json& step) {
    return accepts([&](Json& j) { j["pre_tokenizer"] = step; }).split;
  };
  BOOST_TEST((split_of(sequence({split_step(kQwen), byte_level(false)})) == SplitPattern::qwen2));
  BOOST_TEST((split_of(sequence({{{"type", "Digits"}, {"individual_digits", true}}, byte_level(true)})) ==
              SplitPattern::gpt2_digits));
  BOOST_TEST((split_of(sequence(Json::array({byte_level(true)}))) == SplitPattern::gpt2));
  BOOST_TEST((split_of({{"type", "ByteLevel"}, {"add_prefix_space", false}}) == SplitPattern::gpt2));
}

BOOST_AUTO_TEST_CASE(variants_that_change_nothing) {
  accepts([](Json& j) { j["post_processor"] = {{"type", "ByteLevel"}, {"trim_offsets", false}}; });
  accepts([](Json& j) {
    j["post_processor"] = {{"type", "TemplateProcessing"},
                           {"single", Json::array({{{"Sequence", {{"id", "A"}, {"type_id", 0}}}}})}};
  });
  accepts([](Json& j) { j.erase("truncation"); });
  accepts([](Json& j) { j["model"].erase("type"); });
  accepts([](Json& j) { j["model"]["dropout"] = 0.0; });
  accepts([](Json& j) { j["model"]["continuing_subword_prefix"] = ""; });
  accepts([](Json& j) { j.erase("added_tokens"); });
  BOOST_TEST(!accepts([](Json& j) { j["normalizer"] = nullptr; }).nfc);
  BOOST_TEST(accepts([](Json& j) {
               j["normalizer"] = {{"type", "Sequence"}, {"normalizers", Json::array({{{"type", "NFC"}}})}};
             }).nfc);
  BOOST_TEST(accepts([](Json& j) { j["model"]["ignore_merges"] = true; }).ignore_merges);
  BOOST_TEST(accepts([](Json& j) { j["added_tokens"][0]["normalized"] = true; }).added[0].normalized);
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
  refuses([](Json& j) { j["pre_tokenizer"]["use_regex"] = false; }, {"without a split pattern"});
  const auto steps = [](const Json& list) {
    return [list](Json& j) { j["pre_tokenizer"] = sequence(list); };
  };
  refuses(steps({split_step(R"(\p{N}{1,3})"), byte_level(false)}), {R"(the Regex \p{N}{1,3})"});
  refuses(steps({split_step(kQwen), byte_level(true)}), {"Split before ByteLevel with use_regex"});
  refuses(steps(Json::array({split_step(kQwen)})), {"no pre-tokenizer ByteLevel"});
  refuses(steps({byte_level(true), {{"type", "Digits"}, {"individual_digits", true}}}),
          {"Digits after ByteLevel"});
  refuses(steps({{{"type", "Digits"}, {"individual_digits", false}}, byte_level(true)}),
          {"Digits without individual_digits"});
  refuses(steps({split_step(kQwen), {{"type", "Whitespace"}}, byte_level(false)}),
          {"the pre-tokenizer Whitespace"});
  Json changed = split_step(kQwen);
  changed["behavior"] = "Removed";
  refuses(steps({changed, byte_level(false)}), {"the behavior Removed"});
  changed = split_step(kQwen);
  changed["invert"] = true;
  refuses(steps({changed, byte_level(false)}), {"Split with invert"});
  changed = split_step(kQwen);
  changed["pattern"] = {{"String", " "}};
  refuses(steps({changed, byte_level(false)}), {"a pattern that is no Regex"});
  refuses(
      [](Json& j) {
        j["post_processor"] = {{"type", "BertProcessing"}};
      },
      {"the post-processor BertProcessing"});
  refuses(
      [](Json& j) {
        j["post_processor"] = {
            {"type", "TemplateProcessing"},
            {"single", {{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}}}};
      },
      {"TemplateProcessing that adds tokens"});
  refuses([](Json& j) { j["decoder"] = {{"type", "WordPiece"}}; }, {"the decoder WordPiece"});
  refuses([](Json& j) { j["decoder"] = nullptr; }, {"no decoder"});
  for (const char* model : {"WordPiece", "Unigram", "WordLevel"})
    refuses([&](Json& j) { j["model"]["type"] = model; }, {"the model " + std::string(model)});
  refuses([](Json& j) { j["model"]["byte_fallback"] = true; }, {"byte_fallback"});
  refuses([](Json& j) { j["model"]["unk_token"] = "<unk>"; }, {"unk_token"});
  refuses([](Json& j) { j["model"]["dropout"] = 0.1; }, {"dropout"});
  refuses([](Json& j) { j["model"]["continuing_subword_prefix"] = "##"; }, {"continuing_subword_prefix"});
  refuses([](Json& j) { j["model"]["end_of_word_suffix"] = "</w>"; }, {"end_of_word_suffix"});
  for (const char* rule : {"lstrip", "rstrip", "single_word"})
    refuses([&](Json& j) { j["added_tokens"][0][rule] = true; }, {"<end>", rule});
  refuses([](Json& j) { j["truncation"] = {{"max_length", 512}}; }, {"truncation"});
  refuses([](Json& j) { j["padding"] = {{"pad_id", 0}}; }, {"padding"});
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
  refuses([](Json& j) { j.erase("model"); }, {"no model"});
  refuses([](Json& j) { j["model"] = 3; }, {"model is not an object"});
  refuses([](Json& j) { j["model"].erase("vocab"); }, {"vocab"});
  refuses([](Json& j) { j["model"]["vocab"] = Json::object(); }, {"vocabulary is empty"});
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
