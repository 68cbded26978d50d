// All text files of a model folder: what agrees is used, what contradicts is refused or told.
#include "src/core/hash.hpp"
#include "tests/unit/text/text_fixture.hpp"

namespace anemll::test {
namespace {

const std::string kTexts = "a <end> <note> the <tail>";

Json token(const std::string& content, bool special = true) {
  return {{"content", content},  {"lstrip", false},      {"rstrip", false},
          {"normalized", false}, {"single_word", false}, {"special", special}};
}

/// A folder whose tokenizer.json knows 258 tokens and <end> (258).
struct Folder {
  Folder() { write("tokenizer.json", small_tokenizer_json()); }
  void write(const std::string& name, const Json& json) const { write_file(dir / name, json.dump()); }
  TextModel load() const { return load_text_model(dir.path()); }
  Ids ids() const { return load().tokenizer.encode(kTexts); }
  std::string told() const {
    std::string all;
    for (const std::string& line : load().inventory.left_out_lines()) all += line + '\n';
    return all;
  }
  void tells(const std::vector<std::string>& parts) const {
    const std::string all = told();
    for (const std::string& part : parts)
      BOOST_TEST(all.find(part) != std::string::npos, "\"" << part << "\" is not in: " << all);
    expect_data_error([&] { load().inventory.tell("m", true); }, {"not used"});
  }
  void refuses(const std::vector<std::string>& parts) const {
    expect_data_error([&] { load(); }, parts);
  }
  TempDir dir;
};

/// The ids of kTexts where `more` are tokens beside <end>.
Ids ids_with(const std::vector<std::pair<std::string, int>>& more) {
  Json tokenizer = small_tokenizer_json();
  for (const auto& [content, id] : more) {
    Json entry = token(content);
    entry["id"] = id;
    tokenizer["added_tokens"].push_back(entry);
  }
  return Tokenizer(parse_tokenizer_json(tokenizer.dump(), "t"), "t").encode(kTexts);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_sources)

BOOST_AUTO_TEST_CASE(good_folders_have_nothing_to_tell) {
  BOOST_TEST(load_text_model(golden("nano")).inventory.left_out_lines().empty());
  const Folder folder;
  BOOST_TEST(folder.told() == "");
  folder.write("tokenizer_config.json", {{"added_tokens_decoder", {{"258", token("<end>")}}},
                                         {"additional_special_tokens", {"<end>"}},
                                         {"add_bos_token", false},
                                         {"add_prefix_space", false},
                                         {"bos_token", nullptr},
                                         {"clean_up_tokenization_spaces", false},
                                         {"eos_token", "<end>"},
                                         {"errors", "replace"},
                                         {"model_max_length", 131072},
                                         {"pad_token", token("<end>")},
                                         {"split_special_tokens", false},
                                         {"tokenizer_class", "Qwen2Tokenizer"},
                                         {"unk_token", nullptr},
                                         {"extra_special_tokens", Json::object()},
                                         {"vocab_size", 49152}});
  folder.write("special_tokens_map.json",
               {{"eos_token", token("<end>")}, {"additional_special_tokens", {"<end>"}}});
  folder.write("added_tokens.json", {{"<end>", 258}});
  const Json tokenizer = small_tokenizer_json();
  folder.write("vocab.json", tokenizer["model"]["vocab"]);
  write_file(folder.dir / "merges.txt", "#version: 0.2\nt h\nth e\n");
  write_file(folder.dir / "README.md", "text");
  BOOST_TEST(folder.told() == "");
  BOOST_TEST(folder.load().sha256 == sha256_file(folder.dir / "tokenizer.json"));
  BOOST_TEST((folder.ids() == ids_with({})));
}

// 03-added-decoder-only
BOOST_AUTO_TEST_CASE(tokens_of_added_tokens_decoder_are_tokens) {
  const Folder folder;
  const std::string before = folder.load().sha256;
  folder.write("tokenizer_config.json",
               {{"added_tokens_decoder", {{"258", token("<end>")}, {"259", token("<note>")}}}});
  BOOST_TEST((folder.ids() == ids_with({{"<note>", 259}})));
  BOOST_TEST(folder.load().sha256 != before);  // a cache of the one is no cache of the other
  BOOST_TEST(folder.told() == "");
  // Also where tokenizer.json has none at all.
  Json bare = small_tokenizer_json();
  bare.erase("added_tokens");
  folder.write("tokenizer.json", bare);
  BOOST_TEST((folder.ids() == ids_with({{"<note>", 259}})));
}

BOOST_AUTO_TEST_CASE(a_token_of_the_vocabulary_can_be_made_special) {
  Json tokenizer = small_tokenizer_json();
  tokenizer["added_tokens"] = Json::array();
  tokenizer["model"]["vocab"]["<end>"] = 258;
  const Folder folder;
  folder.write("tokenizer.json", tokenizer);
  BOOST_TEST((folder.ids() != ids_with({})));
  folder.write("special_tokens_map.json", {{"additional_special_tokens", {"<end>"}}});
  BOOST_TEST((folder.ids() == ids_with({})));
  BOOST_TEST(folder.load().tokenizer.decode(Ids{258}, true) == "");
  BOOST_TEST(folder.told() == "");
}

BOOST_AUTO_TEST_CASE(added_tokens_decoder_that_contradicts_is_refused) {
  const Folder folder;
  const auto refuses = [&](const Json& decoder, const std::string& part) {
    folder.write("tokenizer_config.json", {{"added_tokens_decoder", decoder}});
    folder.refuses({"tokenizer_config.json (added_tokens_decoder)", "tokenizer.json", part});
  };
  refuses({{"259", token("<end>")}}, "has the id 258");
  refuses({{"258", token("<other>")}}, "the id of '<end>'");
  refuses({{"97", token("<other>")}}, "the id of 'a'");
  refuses({{"258", token("<end>")}, {"300", token("<note>")}}, "next free id is 259");
  const auto damaged = [&](const Json& decoder) {
    folder.write("tokenizer_config.json", {{"added_tokens_decoder", decoder}});
    folder.refuses({"added_tokens_decoder", "tokenizer_config.json"});
  };
  damaged({{"x", token("<end>")}});
  damaged({{"-1", token("<end>")}});
  damaged({{"258", "<end>"}});
  damaged(7);
  Json strips = token("<end>");
  strips["rstrip"] = true;
  folder.write("tokenizer_config.json", {{"added_tokens_decoder", {{"258", strips}}}});
  folder.tells({"1 flag of an added token (<end>)"});
  BOOST_TEST(folder.load().tokenizer.encode("<end>  a") == (Ids{258, 'a'}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(flags_of_added_tokens_decoder_go_before) {
  const Folder folder;
  folder.write("tokenizer_config.json", {{"added_tokens_decoder", {{"258", token("<end>", false)}}}});
  folder.tells({"1 flag of an added token (<end>)"});
  BOOST_TEST(folder.load().tokenizer.decode(Ids{258}, true) == "<end>");
}

BOOST_AUTO_TEST_CASE(added_tokens_json) {
  const Folder folder;
  folder.write("added_tokens.json", {{"<end>", 258}, {"<tail>", 260}, {"<note>", 259}});
  BOOST_TEST((folder.ids() == ids_with({{"<note>", 259}, {"<tail>", 260}})));
  BOOST_TEST(folder.told() == "");
  folder.write("added_tokens.json", {{"<end>", 259}});
  folder.refuses({"added_tokens.json", "tokenizer.json", "<end>", "259", "258"});
  folder.write("added_tokens.json", {{"<tail>", 258}});
  folder.refuses({"added_tokens.json", "<tail>", "<end>"});
  folder.write("added_tokens.json", {{"<tail>", "258"}});
  folder.refuses({"added_tokens.json", "no valid id"});
  // transformers does not read it beside added_tokens_decoder.
  folder.write("added_tokens.json", {{"<end>", 259}});
  folder.write("tokenizer_config.json", {{"added_tokens_decoder", {{"258", token("<end>")}}}});
  folder.tells({"added_tokens.json (<end>)", "added_tokens_decoder"});
}

BOOST_AUTO_TEST_CASE(special_tokens_map_goes_before_unless_there_is_a_decoder) {
  Json tokenizer = small_tokenizer_json();
  Json note = token("<note>");
  note["id"] = 259;
  tokenizer["added_tokens"].push_back(note);
  const Folder folder;
  folder.write("tokenizer.json", tokenizer);
  folder.write("tokenizer_config.json", {{"eos_token", "<end>"}});
  folder.write("special_tokens_map.json", {{"eos_token", token("<note>")}});
  BOOST_TEST((folder.load().eos_id == std::optional(259)));
  folder.tells({"token of tokenizer_config.json (eos_token <end>)", "special_tokens_map.json"});
  folder.write("tokenizer_config.json",
               {{"eos_token", "<end>"},
                {"added_tokens_decoder", {{"258", token("<end>")}, {"259", token("<note>")}}}});
  BOOST_TEST((folder.load().eos_id == std::optional(258)));
  folder.tells({"token of special_tokens_map.json (eos_token <note>)"});
  folder.write("tokenizer_config.json", Json::object());
  BOOST_TEST((folder.load().eos_id == std::optional(259)));
  BOOST_TEST(folder.told() == "");
  folder.write("special_tokens_map.json", {{"eos_token", "<other>"}});
  folder.refuses({"eos_token '<other>' is not a token", "special_tokens_map.json"});
  folder.write("special_tokens_map.json", {{"pad_token", "<pad>"}, {"strange", 1}});
  folder.tells({"special token (pad_token <pad>)", "no file gives it an id", "strange"});
}

BOOST_AUTO_TEST_CASE(slow_files_are_compared) {
  const Json tokenizer = small_tokenizer_json();
  const Folder folder;
  Json vocabulary = tokenizer["model"]["vocab"];
  vocabulary["<end>"] = 258;  // some lists have the added tokens too
  folder.write("vocab.json", vocabulary);
  BOOST_TEST(folder.told() == "");
  std::swap(vocabulary["a"], vocabulary["b"]);
  folder.write("vocab.json", vocabulary);
  folder.tells({"vocab.json", "2 tokens that are other there"});
  vocabulary.erase("c");
  folder.write("vocab.json", vocabulary);
  folder.tells({"vocab.json", "3 that it lacks"});
  write_file(folder.dir / "vocab.json", "[1]");
  folder.tells({"vocab.json", "no object"});
  std::filesystem::remove(folder.dir / "vocab.json");
  for (const char* same : {"t h\nth e", "#version: 0.2\r\nt h\r\nth e\r\n"}) {
    write_file(folder.dir / "merges.txt", same);
    BOOST_TEST(folder.told() == "");
  }
  write_file(folder.dir / "merges.txt", "#version: 0.2\nth e\nt h\n");
  folder.tells({"merges.txt", "from line 2 on"});
  write_file(folder.dir / "merges.txt", "t h\n");
  folder.tells({"merges.txt", "1 merges"});
}

BOOST_AUTO_TEST_CASE(chat_templates_that_differ_are_told) {
  const Folder folder;
  write_file(folder.dir / "chat_template.jinja", "file");
  folder.write("tokenizer_config.json", {{"chat_template", "file"}});
  BOOST_TEST(folder.told() == "");
  write_file(folder.dir / "chat_template.jinja", "a\r\nb\r\n");
  folder.write("tokenizer_config.json", {{"chat_template", "a\nb"}});
  BOOST_TEST(folder.told() == "");  // one text for Jinja
  write_file(folder.dir / "chat_template.jinja", "file");
  folder.write("tokenizer_config.json", {{"chat_template", "other"}});
  BOOST_TEST(folder.load().chat_template == "file");
  folder.tells({"chat_template", "differs from chat_template.jinja"});
  folder.write("tokenizer_config.json", {{"chat_template", {{"default", "one"}, {"tool_use", "two"}}}});
  std::filesystem::remove(folder.dir / "chat_template.jinja");
  BOOST_TEST(folder.load().chat_template == "one");
  folder.tells({"chat template (tool_use)"});
  // The folder of templates replaces that of tokenizer_config.json, also without a default one.
  std::filesystem::create_directory(folder.dir / "additional_chat_templates");
  write_file(folder.dir / "additional_chat_templates/rag.jinja", "three");
  BOOST_TEST(folder.load().chat_template == "");
  folder.tells({"chat template (rag)", "differs from additional_chat_templates"});
  write_file(folder.dir / "chat_template.jinja", "file");
  BOOST_TEST(folder.load().chat_template == "file");
  write_file(folder.dir / "additional_chat_templates/default.jinja", "four");
  BOOST_TEST(folder.load().chat_template == "four");
  folder.tells({"chat_template.jinja", "default.jinja goes before"});
}

BOOST_AUTO_TEST_CASE(keys_of_tokenizer_json_that_nobody_reads_are_told) {
  Json tokenizer = small_tokenizer_json();
  tokenizer["strange"] = 1;
  tokenizer["unset"] = nullptr;
  tokenizer["model"]["temperature"] = 0.5;
  tokenizer["added_tokens"][0]["case"] = "lower";
  const Folder folder;
  folder.write("tokenizer.json", tokenizer);
  folder.tells({"3 keys of tokenizer.json (added_tokens.<end>.case, model.temperature, strange)"});
}

BOOST_AUTO_TEST_CASE(other_keys_and_files_are_told) {
  const Folder folder;
  folder.write("tokenizer_config.json", {{"split_special_tokens", true},
                                         {"add_prefix_space", true},
                                         {"do_lower_case", false},
                                         {"strange", 7},
                                         {"unset", nullptr},
                                         {"image_token", "<img>"}});
  folder.tells({"split_special_tokens", "no space is put before", "(strange): no rule", "image_token <img>"});
  BOOST_TEST(folder.told().find("do_lower_case") == std::string::npos);
  BOOST_TEST(folder.told().find("unset") == std::string::npos);
  write_file(folder.dir / "tokenizer.model", "x");
  write_file(folder.dir / "chat_template.json", "{}");
  write_file(folder.dir / "tokenizer_notes.md", "x");
  folder.tells({"2 files (chat_template.json, tokenizer.model)"});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
