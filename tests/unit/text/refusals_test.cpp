// Every refusal of what a model says about text: tests/support/refusals.hpp.
#include "tests/support/refusals.hpp"

#include "anemll/text/chat_template.hpp"
#include "tests/support/gguf_writer.hpp"
#include "tests/unit/text/text_fixture.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace anemll::test {
namespace {

namespace fs = std::filesystem;
using Act = std::function<void(const TempDir&)>;

/// A folder whose tokenizer.json has one change.
Act json(const std::function<void(Json&)>& change) {
  return [=](const TempDir& folder) {
    Json tokenizer = small_tokenizer_json();
    change(tokenizer);
    write_file(folder / "tokenizer.json", tokenizer.dump());
    load_text_model(folder.path());
  };
}
Act part(const char* key, const Json& value) {
  return json([=](Json& j) { j[key] = value; });
}
Act model(const char* key, const Json& value) {
  return json([=](Json& j) { j["model"][key] = value; });
}
Act added(const Json& token) {
  return json([=](Json& j) { j["added_tokens"].push_back(token); });
}
Act pre(const Json& step) {
  return part("pre_tokenizer", step);
}
Act post(const Json& step) {
  return part("post_processor", step);
}
Act template_of(const Json& single, const Json& tokens = nullptr) {
  return post({{"type", "TemplateProcessing"}, {"single", single}, {"special_tokens", tokens}});
}
Json token(const std::string& content, int id) {
  return {{"content", content}, {"id", id}};
}

/// A sound tokenizer.json with other files beside it.
Act beside(const char* name, const std::string& text) {
  return [=](const TempDir& folder) {
    write_file(folder / "tokenizer.json", small_tokenizer_json().dump());
    write_file(folder / name, text);
    load_text_model(folder.path());
  };
}
Act config(const Json& keys) {
  return beside("tokenizer_config.json", keys.dump());
}
Act only(const char* name, const std::string& text) {
  return [=](const TempDir& folder) {
    write_file(folder / name, text);
    load_text_model(std::string(name).ends_with(".json") ? folder.path() : folder / name);
  };
}

Act spec(const std::function<void(TokenizerSpec&)>& change) {
  return [=](const TempDir& folder) {
    TokenizerSpec parts = byte_spec({{"t", "h"}});
    change(parts);
    Tokenizer(parts, (folder / "tokenizer.json").string());
  };
}
Act token_of_spec(const AddedToken& added, bool twice = false) {
  return spec([=](TokenizerSpec& s) {
    s.added.push_back(added);
    if (twice) s.added.push_back({.id = added.id, .content = "another"});
  });
}

struct Gguf {
  std::string model = "gpt2", name = "gpt-2";
  std::vector<std::string> tokens{"a", "b", "ab", "<e>"}, merges{"a b"};
  std::vector<std::int32_t> types{1, 1, 1, 3};
};
Act gguf(
    const std::function<void(Gguf&)>& change,
    const std::function<void(GgufWriter&)>& more = [](GgufWriter&) {}) {
  return [=](const TempDir& folder) {
    Gguf parts;
    change(parts);
    GgufWriter out;
    out.text("tokenizer.ggml.model", parts.model).text("tokenizer.ggml.pre", parts.name);
    out.texts("tokenizer.ggml.tokens", parts.tokens).i32s("tokenizer.ggml.token_type", parts.types);
    out.texts("tokenizer.ggml.merges", parts.merges);
    more(out);
    out.write(folder / "m.gguf");
    load_text_model(folder / "m.gguf");
  };
}
Act with(const std::function<void(GgufWriter&)>& more) {
  return gguf([](Gguf&) {}, more);
}

const Json kByteLevel{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
const Json kText{{"Sequence", {{"id", "A"}}}};
const Json kBegin{{"SpecialToken", {{"id", "<b>"}}}};
Json steps(const Json& list) {
  return {{"type", "Sequence"}, {"pretokenizers", list}};
}
Json split(const Json& pattern, const char* behavior) {
  return {{"type", "Split"}, {"pattern", pattern}, {"behavior", behavior}, {"invert", false}};
}

std::vector<Refusal> of_tokenizer_json() {
  const Json digits{{"type", "Digits"}, {"individual_digits", true}};
  return {{"JSON", "not valid", only("tokenizer.json", "{\"a\": ")},
          {"JSON object", "[1]", only("tokenizer.json", "[1]")},
          {"version", "2.0", part("version", "2.0")},
          {"'model'", "no", json([](Json& j) { j.erase("model"); })},
          {"model", "3", part("model", 3)},
          {"SentencePiece", "Unigram", model("type", "Unigram")},
          {"model", "WordPiece", model("type", "WordPiece")},
          {"dropout", "\"x\"", model("dropout", "x")},
          {"dropout", "0.1", model("dropout", 0.1)},
          {"end_of_word_suffix", "</w>", model("end_of_word_suffix", "</w>")},
          {"end_of_word_suffix", "7", model("end_of_word_suffix", 7)},
          {"ignore_merges", "3", model("ignore_merges", 3)},
          {"vocab", "lacks", json([](Json& j) { j["model"].erase("vocab"); })},
          {"vocab", "[]", model("vocab", Json::array())},
          {"vocab", "{}", model("vocab", Json::object())},
          {"id", "\"x\"", model("vocab", {{"a", "x"}})},
          {"id", "9000000", json([](Json& j) { j["model"]["vocab"]["zz"] = 9000000; })},
          {"id 300", "is empty", json([](Json& j) { j["model"]["vocab"][""] = 300; })},
          {"id 7", "'zz'", json([](Json& j) { j["model"]["vocab"]["zz"] = 7; })},
          {"byte_fallback", "without a token for every byte", json([](Json& j) {
             j["model"]["vocab"].erase("z");
             j["model"]["byte_fallback"] = true;
           })},
          {"merges", "5", model("merges", 5)},
          {"merge 0", "\"x\"", model("merges", {"x"})},
          {"merge 0", "[\"a\"]", model("merges", Json::array({Json::array({"a"})}))},
          {"merge 0", "3", model("merges", {3})},
          {"merge 0", "'q z'", model("merges", Json::array({Json::array({"q z", "a"})}))},
          {"added_tokens", "3", part("added_tokens", 3)},
          {"an added token", "3", added(3)},
          {"an added token", "{}", added(Json::object())},
          {"content of an added token", "3", added({{"content", 3}, {"id", 259}})},
          {"'<x>'", "\"y\"", added({{"content", "<x>"}, {"id", "y"}})},
          {"special", "3", added({{"content", "<x>"}, {"id", 259}, {"special", 3}})},
          {"'<end>'", "260", added(token("<end>", 260))},
          {"'<x>'", "300", added(token("<x>", 300))}};
}

std::vector<Refusal> of_pipeline() {
  const Json digits{{"type", "Digits"}, {"individual_digits", true}};
  Json many = Json::array();
  for (int i = 0; i < 20; ++i) many.push_back(digits);
  many.push_back(kByteLevel);
  return {{"normalizer", "NFD", part("normalizer", {{"type", "NFD"}})},
          {"SentencePiece", "Prepend", part("normalizer", {{"type", "Prepend"}, {"prepend", "\u2581"}})},
          {"SentencePiece", "Replace", part("normalizer", {{"type", "Replace"}, {"content", "\u2581"}})},
          {"normalizer", "Replace", part("normalizer", {{"type", "Replace"}, {"content", " "}})},
          {"normalizer", "no type", part("normalizer", Json::object())},
          {"normalizers", "no", part("normalizer", {{"type", "Sequence"}})},
          {"pre-tokenizer", "no", pre(nullptr)},
          {"ByteLevel", "no pre-tokenizer", pre(digits)},
          {"steps", "21", pre(steps(many))},
          {"add_prefix_space", "ByteLevel", pre({{"type", "ByteLevel"}})},
          {"Punctuation", "Removed", pre({{"type", "Punctuation"}, {"behavior", "Removed"}})},
          {"SentencePiece", "Metaspace", pre({{"type", "Metaspace"}})},
          {"pattern", "no", pre({{"type", "Split"}})},
          {"pattern", "no Regex", pre(split({{"String", " "}}, "Isolated"))},
          {"Regex", "x+", pre(split({{"Regex", "x+"}}, "Isolated"))},
          {"behavior", "MergedWithNext", pre(split({{"Regex", "[\r\n]"}}, "MergedWithNext"))},
          {"Split", "after ByteLevel", pre(steps({kByteLevel, split({{"Regex", "[\r\n]"}}, "Isolated")}))},
          {"post-processor", "X", post({{"type", "X"}})},
          {"sep", "no", post({{"type", "BertProcessing"}, {"cls", {"<a>", 1}}})},
          {"sep", "[1]", post({{"type", "BertProcessing"}, {"cls", {"<a>", 1}}, {"sep", Json::array({1})}})},
          {"part of TemplateProcessing", "{}", template_of(Json::array({Json::object()}))},
          {"id", "\"SpecialToken\":{}", template_of({{{"SpecialToken", Json::object()}}})},
          {"TemplateProcessing", "2 times the text", template_of({kText, kText})},
          {"special_tokens", "no", template_of({kBegin, kText})},
          {"ids", "'<b>'", template_of({kBegin, kText}, Json::object())},
          {"decoder", "WordPiece", part("decoder", {{"type", "WordPiece"}})}};
}

std::vector<Refusal> of_tokens() {
  return {{"'x'", "-1", token_of_spec({.id = -1, .content = "x"})},
          {"id", "1000000", token_of_spec({.id = 1000000, .content = "x"})},
          {"steps", "40", spec([](TokenizerSpec& s) { s.split.assign(40, SplitPattern::gpt2); })},
          {"id 5", "'\\xFF'", spec([](TokenizerSpec& s) { s.vocabulary[5].assign(1, '\xff'); })},
          {"token 'b'", "twice", spec([](TokenizerSpec& s) { s.vocabulary['a'].assign(1, 'b'); })},
          {"merge 1", "'\\xFF'", spec([](TokenizerSpec& s) { s.merges.emplace_back("\xff", ""); })},
          {"id 257", "is empty", token_of_spec({.id = 257, .content = ""})},
          {"id 257", "'\\xFF'", token_of_spec({.id = 257, .content = "\xff"})},
          {"'x'", "'a'", token_of_spec({.id = 'a', .content = "x"})},
          {"'a'", "257", token_of_spec({.id = 257, .content = "a"})},
          {"id 257", "'another'", token_of_spec({.id = 257, .content = "<x>"}, true)},
          {"'\u212b'", "not in NFC", spec([](TokenizerSpec& s) {
             s.nfc = true;
             s.added.push_back({.id = 257, .content = "\u212b", .normalized = true});
           })},
          {"byte 1", "0xff", [](const TempDir&) { Tokenizer(byte_spec(), "t").encode("a\xff"); }},
          {"id", "70000", [](const TempDir& folder) {
             const std::vector<std::int32_t> ids{70000};
             Tokenizer(byte_spec(), (folder / "tokenizer.json").string()).decode(ids);
           }}};
}

constexpr const char* kPointer =
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:0000000000000000000000000000000000000000000000000000000000000000\nsize 7\n";

/// A folder without tokenizer.json.
Act slow(const std::vector<std::pair<const char*, std::string>>& files) {
  return [=](const TempDir& folder) {
    for (const auto& [name, text] : files) write_file(folder / name, text);
    load_text_model(folder.path());
  };
}

std::vector<Refusal> of_files() {
  const auto read = [](const char* name) {
    return [=](const TempDir& folder) { load_text_model(folder / name); };
  };
  const auto decoder = [](const Json& list) { return config({{"added_tokens_decoder", list}}); };
  const auto recognise = [](const char* text) {
    return [=](const TempDir& folder) { ChatTemplate::recognise(text, folder.path().string()); };
  };
  return {{"model", "nothing", read("gone")},
          {"model folder", "a file of another kind", only("notes", "words")},
          {"model folder", "a PDF", only("notes", "%PDF-1.7\n1 0 obj")},
          {"tokenizer.json", "no", only("config.json", "{}")},
          {"tokenizer.json", "vocab.json", only("vocab.json", "{}")},
          {"vocab.json", "merges.txt", slow({{"vocab.json", "{}"}, {"merges.txt", "a b"}})},
          {"tokenizer.model", "SentencePiece", slow({{"tokenizer.model", "\n\x0e\n\x05<unk>"}})},
          {"tokenizer.model", "a tiktoken file", slow({{"tokenizer.model", "IQ== 0\nIg== 1\n"}})},
          {"qwen.tiktoken", "tiktoken files of this name", slow({{"qwen.tiktoken", "IQ== 0\n"}})},
          {"spiece.model", "neither SentencePiece nor tiktoken", slow({{"spiece.model", "words"}})},
          {"tokenizer.model", "is empty", slow({{"tokenizer.model", ""}})},
          {"tokenizer.model", "Git LFS", slow({{"tokenizer.model", kPointer}})},
          {"eos_token", "'<no>'", config({{"eos_token", "<no>"}})},
          {"JSON", "not valid", beside("tokenizer_config.json", "{")},
          {"JSON object", "[]", beside("tokenizer_config.json", "[]")},
          {"eos_token", "3", config({{"eos_token", 3}})},
          {"chat_template", "3", config({{"chat_template", 3}})},
          {"chat_template", "{}", config({{"chat_template", {Json::object()}}})},
          {"'a'", "3", config({{"chat_template", {{"a", 3}}}})},
          {"added_tokens_decoder", "3", decoder(3)},
          {"'x'", "{}", decoder({{"x", Json::object()}})},
          {"'<end>'", "300", decoder({{"300", {{"content", "<end>"}}}})},
          {"'<n>'", "\"x\"", beside("added_tokens.json", R"({"<n>": "x"})")},
          {"'<end>'", "300", beside("added_tokens.json", R"({"<end>": 300})")},
          {"chat template", "byte 1", beside("chat_template.jinja", "a\xff")},
          {"chat_template.jinja", "a web page", beside("chat_template.jinja", "<!DOCTYPE html><html>")},
          {"chat template", "'x'", [](const TempDir&) { ChatTemplate::named("x"); }},
          {"chat template", "no", recognise("")},
          {"chat template", "{{ x }}", recognise("{{ x }}")},
          {"date", "qwen3", [](const TempDir&) { ChatTemplate(ChatFormat::qwen3).set_date("26 Jul 2024"); }},
          {"--template-date", "empty", [](const TempDir&) { ChatTemplate::named("llama3.1").set_date(""); }},
          {"gemma2", "refuses", [](const TempDir&) {
             ChatTemplate::named("gemma2").render({{"system", "s", ""}}, false, false);
           }}};
}

std::vector<Refusal> of_gguf() {
  const auto flag = [](const char* key, bool value) {
    return with([=](GgufWriter& w) { w.boolean(key, value); });
  };
  return {{"SentencePiece", "llama", gguf([](Gguf& g) { g.model = "llama"; })},
          {"tokenizer.ggml.model", "bert", gguf([](Gguf& g) { g.model = "bert"; })},
          {"add_space_prefix", "true", flag("tokenizer.ggml.add_space_prefix", true)},
          {"tokenizer.chat_template", "byte 0",
           with([](GgufWriter& w) { w.text("tokenizer.chat_template", "\xff"); })},
          {"tokenizer.ggml.eos_token_id", "a text",
           with([](GgufWriter& w) { w.text("tokenizer.ggml.eos_token_id", "x"); })},
          {"tokenizer.ggml.eos_token_id", "99",
           with([](GgufWriter& w) { w.u32("tokenizer.ggml.eos_token_id", 99); })},
          {"tokenizer.chat_template", "true or false", flag("tokenizer.chat_template", true)},
          {"tokenizer.ggml.pre", "nobody", gguf([](Gguf& g) { g.name = "nobody"; })},
          {"tokenizer.ggml.token_type", "5 entries", gguf([](Gguf& g) { g.types.push_back(1); })},
          {"tokenizer.ggml.token_type", "unknown kind 9", gguf([](Gguf& g) { g.types[1] = 9; })},
          {"tokenizer.ggml.merges", "ab", gguf([](Gguf& g) { g.merges = {"ab"}; })},
          {"tokenizer.ggml.tokens", "missing", [](const TempDir& folder) {
             GgufWriter()
                 .text("tokenizer.ggml.model", "gpt2")
                 .text("tokenizer.ggml.pre", "gpt-2")
                 .write(folder / "m.gguf");
             load_text_model(folder / "m.gguf");
           }}};
}

/// Messages of the sources that no input of this test provokes.
const std::map<std::string, std::string> kOutOfReach = {
    {"the vocabulary has more than 2^31 ids", "a file of many gigabytes"},
    {"the tokens are longer than 4 GiB together", "a file of many gigabytes"},
    {"the text has a stretch of over 2 GiB without a place to split it", "a text of gigabytes"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(text_refusals)

BOOST_AUTO_TEST_CASE(each_has_file_field_value_and_a_way_on) {
  std::string all;
  for (const auto& rows : {of_tokenizer_json(), of_pipeline(), of_tokens(), of_files(), of_gguf()})
    all += check_refusals(rows);
  check_every_message(all, fs::path(ANEMLL_SOURCE_DIR) / "src/text", kOutOfReach,
                      [](const std::string& name) { return name.ends_with(".cpp"); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
