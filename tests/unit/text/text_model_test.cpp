// Model folders: which files are read, and what each lack or fault gives.
#include "src/core/hash.hpp"
#include "tests/unit/text/text_fixture.hpp"

#include <functional>

namespace anemll::test {
namespace {

struct Folder {
  Folder() { write_file(dir / "tokenizer.json", small_tokenizer_json().dump()); }
  void config(const Json& json) const { write_file(dir / "tokenizer_config.json", json.dump()); }
  TextModel load() const { return load_text_model(dir.path()); }
  TempDir dir;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(text_model)

BOOST_AUTO_TEST_CASE(nano) {
  const TextModel model = load_text_model(golden("nano"));
  BOOST_TEST((model.eos_id == std::optional(4089)));
  BOOST_TEST(model.chat_template == read_text(golden("nano/chat_template.jinja")));
  BOOST_TEST(model.sha256 == sha256_file(golden("nano/tokenizer.json")));
}

BOOST_AUTO_TEST_CASE(a_tokenizer_alone) {
  const Folder folder;
  const TextModel model = folder.load();
  BOOST_TEST(!model.eos_id.has_value());
  BOOST_TEST(model.chat_template.empty());
}

// Reports of people: each of these changes no id. By the Python library the ids are those of the nano model.
BOOST_AUTO_TEST_CASE(settings_that_change_no_id) {
  const std::string text = "In 2024, 1234567 people <|im_start|>said: it's 3.14!\n\n  Ok";
  const Json nano = Json::parse(read_text(golden("nano/tokenizer.json")));
  const Ids ids = load_text_model(golden("nano")).tokenizer.encode(text);
  const auto loads = [&](const std::function<void(Json&)>& change) {
    Json json = nano;
    change(json);
    const Folder folder;
    write_file(folder.dir / "tokenizer.json", json.dump());
    TextModel model = folder.load();
    BOOST_TEST(model.tokenizer.encode(text) == ids, boost::test_tools::per_element());
    return model;
  };
  const TextModel cut = loads([](Json& j) {
    j["truncation"] = {
        {"direction", "Right"}, {"max_length", 8}, {"strategy", "LongestFirst"}, {"stride", 0}};
  });
  BOOST_REQUIRE(cut.inventory.left_out_lines().size() == 1U);
  BOOST_TEST(cut.inventory.left_out_lines()[0].find("truncation") != std::string::npos);
  loads([](Json& j) { j["decoder"] = nullptr; });
  loads([](Json& j) { j["added_tokens"].push_back(j["added_tokens"][0]); });
  loads([](Json& j) {
    const Json whole = j["post_processor"];
    j["post_processor"] = {{"type", "Sequence"}, {"processors", {{{"type", "ByteLevel"}}, whole}}};
  });
  // A token past what the model embeds: the tokenizer has no say in that.
  const TextModel more = loads([](Json& j) {
    Json pad = j["added_tokens"][0];
    pad["id"] = 4096;
    pad["content"] = "[PAD]";
    j["added_tokens"].push_back(pad);
  });
  BOOST_TEST(more.tokenizer.size() == 4097);
  const TextModel llama = loads([](Json& j) {
    std::string regex = j["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"];
    regex.replace(regex.find("\\p{N}|"), 6, "\\p{N}{1,3}|");
    j["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = regex;
    j["normalizer"] = nullptr;
    j["model"]["ignore_merges"] = true;
    j["post_processor"] = {
        {"type", "TemplateProcessing"},
        {"single", {{{"SpecialToken", {{"id", "<|endoftext|>"}}}}, {{"Sequence", {{"id", "A"}}}}}},
        {"special_tokens", {{"<|endoftext|>", {{"ids", {4087}}}}}}};
  });
  BOOST_TEST(llama.text_begin == Ids{4087}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(eos_as_string_and_object) {
  const Folder folder;
  folder.config({{"eos_token", "<end>"}});
  BOOST_TEST((folder.load().eos_id == std::optional(258)));
  folder.config({{"eos_token", {{"content", "<end>"}, {"special", true}}}});
  BOOST_TEST((folder.load().eos_id == std::optional(258)));
  folder.config({{"eos_token", nullptr}});
  BOOST_TEST(!folder.load().eos_id.has_value());
}

BOOST_AUTO_TEST_CASE(transformers_drops_the_digit_rule_of_gpt2_tokenizers) {
  Json tokenizer = small_tokenizer_json();
  tokenizer["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Digits"}, {"individual_digits", true}},
        {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}}}}};
  // Two line ends are one token where they are one piece: before a digit by the file's rule, not by GPT-2's.
  tokenizer["model"]["vocab"]["\u010a\u010a"] = 258;
  tokenizer["added_tokens"][0]["id"] = 259;
  tokenizer["model"]["merges"].push_back("\u010a \u010a");
  const Folder folder;
  write_file(folder.dir / "tokenizer.json", tokenizer.dump());
  const auto ids = [&](TokenizerRules rules) {
    return load_text_model(folder.dir.path(), rules).tokenizer.encode("\n\n1").size();
  };
  folder.config({{"tokenizer_class", "GPT2Tokenizer"}});
  BOOST_TEST(ids(TokenizerRules::as_written) == 2U);
  BOOST_TEST(ids(TokenizerRules::transformers) == 3U);
  folder.config({{"tokenizer_class", "PreTrainedTokenizerFast"}});
  BOOST_TEST(ids(TokenizerRules::transformers) == 2U);
}

BOOST_AUTO_TEST_CASE(where_the_template_comes_from) {
  const Folder folder;
  folder.config({{"chat_template", "one"}});
  BOOST_TEST(folder.load().chat_template == "one");
  const std::string config = (folder.dir / "tokenizer_config.json").string();
  BOOST_TEST(folder.load().template_source == config + ", key \"chat_template\"");
  folder.config(
      {{"chat_template",
        {{{"name", "tool_use"}, {"template", "two"}}, {{"name", "default"}, {"template", "three"}}}}});
  BOOST_TEST(folder.load().chat_template == "three");
  folder.config({{"chat_template", Json::array({{{"name", "tool_use"}, {"template", "two"}}})}});
  BOOST_TEST(folder.load().chat_template == "");
  BOOST_TEST(folder.load().template_source == folder.dir.path().string());
  write_file(folder.dir / "chat_template.jinja", "file");
  BOOST_TEST(folder.load().chat_template == "file");
  BOOST_TEST(folder.load().template_source == (folder.dir / "chat_template.jinja").string());
  std::filesystem::create_directory(folder.dir / "additional_chat_templates");
  write_file(folder.dir / "additional_chat_templates/default.jinja", "other");
  BOOST_TEST(folder.load().template_source ==
             (folder.dir / "additional_chat_templates/default.jinja").string());
}

BOOST_AUTO_TEST_CASE(numbers_beyond_64_bits_are_no_fault) {
  const Folder folder;
  write_file(folder.dir / "tokenizer_config.json",
             "{\"eos_token\": \"<end>\", \"model_max_length\": 1000000000000000019884624838656}");
  BOOST_TEST((folder.load().eos_id == std::optional(258)));
}

// transformers 5.24.0 makes a tokenizer.json that is read here of vocab.json with merges.txt, and with
// tiktoken of a tiktoken file. What it makes of SentencePiece has a Metaspace, so that no command is given.
BOOST_AUTO_TEST_CASE(a_command_only_where_it_leads_on) {
  const auto refused = [](const std::vector<std::pair<const char*, std::string>>& files) {
    const TempDir folder;
    for (const auto& [name, text] : files) write_file(folder / name, text);
    try {
      load_text_model(folder.path());
    } catch (const Error& error) {
      helps(error);
      return std::string(error.what());
    }
    return std::string("nothing was refused");
  };
  const auto says = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  const std::string pieces("\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02\n", 17);
  for (const char* name : {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "source.spm"}) {
    const std::string text = refused({{name, pieces}});
    BOOST_TEST((says(text, "SentencePiece tokenizers are not read") && says(text, name)), text);
    BOOST_TEST((!says(text, "python3") && says(text, "byte-level BPE") && says(text, "--cache-dir")), text);
  }
  const std::string made = refused({{"tokenizer.model", "IQ== 0\nIg== 1\n"}});
  BOOST_TEST((says(made, "tiktoken)") && says(made, "python3") && says(made, "backend_tokenizer.save")),
             made);
  const std::string slow =
      refused({{"tokenizer.model", pieces}, {"vocab.json", "{}"}, {"merges.txt", "a b"}});
  BOOST_TEST((says(slow, "vocab.json and merges.txt") && says(slow, "backend_tokenizer.save")), slow);
  BOOST_TEST(says(refused({{"merges.txt", "a b"}}), "only merges.txt"));
  BOOST_TEST(says(refused({{"vocab.json", "{}"}, {"spiece.model", pieces}}), "SentencePiece"));
}

BOOST_AUTO_TEST_CASE(faults_name_the_file) {
  const TempDir empty;
  expect_data_error([&] { load_text_model(empty.path()); }, {"no tokenizer.json", empty.path().string()});
  expect_data_error([&] { load_text_model(empty / "nothing"); }, {"no such model"});
  write_file(empty / "notes.txt", "text");
  expect_data_error([&] { load_text_model(empty / "notes.txt"); },
                    {"neither a model folder nor a GGUF file"});
  const Folder folder;
  const auto refuses = [&](const Json& json, const std::string& part) {
    folder.config(json);
    expect_data_error([&] { folder.load(); }, {part, "tokenizer_config.json"});
  };
  refuses({{"eos_token", "<other>"}}, "eos_token '<other>' is not a token");
  refuses({{"eos_token", 7}}, "eos_token is not a string");
  refuses({{"chat_template", 7}}, "chat_template is not a string");
  refuses({{"chat_template", {{{"name", "default"}}}}}, "lacks name or template");
  refuses(Json::array(), "not a JSON object");
  write_file(folder.dir / "tokenizer_config.json", "{");
  expect_data_error([&] { folder.load(); }, {"not valid JSON", "tokenizer_config.json"});
  folder.config(Json::object());
  write_file(folder.dir / "chat_template.jinja", "\xff");
  expect_data_error([&] { folder.load(); }, {"not UTF-8", "chat_template.jinja"});
  write_file(folder.dir / "tokenizer.json", "{}");
  expect_data_error([&] { folder.load(); }, {"tokenizer.json"});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
