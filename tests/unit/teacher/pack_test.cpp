// Documents to blocks: variants, end-of-text, the cut, the hold-out choice.
#include "src/teacher/internal/pack.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/hash.hpp"
#include "tests/support/temp_dir.hpp"

#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

namespace fs = std::filesystem;

class ListedDocuments final : public Dataset {
 public:
  explicit ListedDocuments(std::vector<Document> documents) : documents_(std::move(documents)) {}
  std::optional<Document> next() override {
    if (at_ == documents_.size()) return std::nullopt;
    return documents_[at_++];
  }
  std::int64_t records() const override { return static_cast<std::int64_t>(at_); }
  std::int64_t skipped() const override { return 0; }
  const std::vector<fs::path>& files() const override { return files_; }
  const DatasetReport& report() const override { return report_; }

 private:
  DatasetReport report_;
  std::vector<Document> documents_;
  std::vector<fs::path> files_;
  std::size_t at_ = 0;
};

/// One id a byte, end-of-text 256.
TextModel byte_text() {
  TokenizerSpec spec;
  const auto utf8 = [](unsigned code) {
    return code < 128
               ? std::string(1, static_cast<char>(code))
               : std::string{static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 63))};
  };
  unsigned spare = 256;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool visible = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
    spec.vocabulary.push_back(utf8(visible ? byte : spare++));
  }
  spec.added.push_back({256, "<eos>", true});
  return {Tokenizer(spec, "test"), "", 256, "sha"};
}

Document plain(std::string text) {
  Document document;
  document.text = std::move(text);
  return document;
}

Document chat(std::string question, std::string answer) {
  Document document;
  document.messages = {{"user", std::move(question), ""}, {"assistant", std::move(answer), ""}};
  return document;
}

std::vector<std::int32_t> ids_of(const fs::path& file) {
  const auto map = MappedFile::open(file);
  std::vector<std::int32_t> ids(map->bytes().size() / 4);
  std::memcpy(ids.data(), map->bytes().data(), map->bytes().size());
  return ids;
}

PackedText pack(std::vector<Document> documents, const PackOptions& options, const fs::path& file) {
  ListedDocuments dataset(std::move(documents));
  return pack_documents(dataset, byte_text(), options, file, nullptr);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(teacher_pack)

BOOST_AUTO_TEST_CASE(a_token_without_a_row_is_an_error_where_it_occurs) {
  const test::TempDir temp;
  PackOptions options;
  options.length = 2;
  options.blocks = 100;
  options.vocabulary = 257;  // as many as the tokenizer has
  BOOST_TEST(pack({plain("abc")}, options, temp / "fits").blocks == 2);
  options.vocabulary = 300;
  BOOST_TEST(pack({plain("abc")}, options, temp / "padded").blocks == 2);
  options.vocabulary = 256;
  const auto names = [](const std::string& token, const std::string& id) {
    return [=](const Error& e) {
      const std::string text = e.what();
      return e.code() == ExitCode::data && text.find(token) != std::string::npos &&
             text.find(id) != std::string::npos && text.find("different models") == std::string::npos;
    };
  };
  BOOST_CHECK_EXCEPTION(pack({plain("abc")}, options, temp / "end"), Error, names("<eos>", "256"));
  options.vocabulary = 'c';
  BOOST_CHECK_EXCEPTION(pack({plain("abc")}, options, temp / "c"), Error, names("'c'", "99"));
  BOOST_TEST(!fs::exists(temp / "c"));
}

BOOST_AUTO_TEST_CASE(texts_are_ended_joined_and_cut) {
  const test::TempDir temp;
  PackOptions options;
  options.length = 4;
  options.blocks = 100;
  const PackedText packed = pack({plain("abc"), plain("defg"), plain("h")}, options, temp / "t");
  BOOST_TEST(packed.blocks == 2);
  BOOST_TEST(packed.tokens == 11);
  BOOST_TEST(packed.documents == 3);
  BOOST_TEST(ids_of(temp / "t") == (std::vector<std::int32_t>{'a', 'b', 'c', 256, 'd', 'e', 'f', 'g'}));
  BOOST_TEST(packed.sha256 == sha256_file(temp / "t"));
}

BOOST_AUTO_TEST_CASE(reading_stops_when_there_is_enough) {
  const test::TempDir temp;
  PackOptions options;
  options.length = 4;
  options.blocks = 2;
  const PackedText packed = pack({plain("abcdefgh"), plain("never"), plain("read")}, options, temp / "t");
  BOOST_TEST(packed.blocks == 2);
  BOOST_TEST(packed.documents == 1);
}

BOOST_AUTO_TEST_CASE(whole_documents_are_held_out) {
  const test::TempDir temp;
  PackOptions options;
  options.length = 4;
  options.blocks = 1000000;
  options.holdout = 0.25;
  std::vector<Document> documents;
  constexpr int kDocuments = 2000;
  for (int i = 0; i < kDocuments; ++i) {
    // Each document fills whole blocks of one letter pair, and comes twice.
    std::string text(7, static_cast<char>('A' + i % 26));
    text[0] = static_cast<char>('a' + i / 26 % 26);
    text[1] = static_cast<char>('0' + i / 676);
    documents.push_back(plain(text));
    documents.push_back(plain(text));
  }
  const PackedText packed = pack(documents, options, temp / "t");
  // 2000 independent choices at 1/4: standard deviation 19 pairs, six of them.
  BOOST_TEST(std::abs(packed.holdout_documents / 2 - 500) < 117);
  BOOST_TEST(packed.holdout_documents % 2 == 0);  // copies go together
  BOOST_TEST(packed.blocks + packed.holdout_blocks == 4 * kDocuments);
  const std::vector<std::int32_t> ids = ids_of(temp / "t");
  std::set<std::vector<std::int32_t>> training, holdout;
  const auto boundary = static_cast<std::size_t>(packed.blocks * 4);
  for (std::size_t at = 0; at < ids.size(); at += 8) {
    (at < boundary ? training : holdout)
        .insert(std::vector<std::int32_t>(ids.begin() + static_cast<std::ptrdiff_t>(at),
                                          ids.begin() + static_cast<std::ptrdiff_t>(at + 8)));
  }
  for (const auto& document : holdout) BOOST_TEST(training.count(document) == 0U);
  BOOST_TEST(training.size() + holdout.size() == static_cast<std::size_t>(kDocuments));

  options.seed = 9;
  BOOST_TEST(pack(documents, options, temp / "u").sha256 != packed.sha256);
}

BOOST_AUTO_TEST_CASE(held_out_blocks_of_a_data_set_lie_together) {
  const test::TempDir temp;
  PackOptions options;
  options.length = 4;
  options.blocks = 1000000;
  options.holdout = 0.5;
  options.ends = {1, 3};  // the first file is one data set, the next two are another
  std::vector<Document> documents;
  for (int i = 0; i < 300; ++i) {
    Document document = plain(strf("%03d", i));  // a block with its end
    document.source = static_cast<std::size_t>(i % 3);
    document.text[0] = static_cast<char>('a' + i % 3);
    documents.push_back(document);
  }
  const PackedText packed = pack(documents, options, temp / "t");
  BOOST_REQUIRE(packed.holdout_by_set.size() == 2U);
  BOOST_TEST(packed.holdout_by_set[0] + packed.holdout_by_set[1] == packed.holdout_blocks);
  // 100 and 200 choices at 1/2: standard deviations 5 and 7.1, six of them.
  BOOST_TEST(std::abs(packed.holdout_by_set[0] - 50) < 30);
  BOOST_TEST(std::abs(packed.holdout_by_set[1] - 100) < 43);
  const std::vector<std::int32_t> ids = ids_of(temp / "t");
  for (std::int64_t block = 0; block < packed.holdout_blocks; ++block) {
    const std::int32_t letter = ids[static_cast<std::size_t>((packed.blocks + block) * 4)];
    BOOST_TEST((letter == 'a') == (block < packed.holdout_by_set[0]), block);
  }
}

BOOST_AUTO_TEST_CASE(thinking_variants) {
  const ChatTemplate qwen(ChatFormat::qwen3);
  const Document document = chat("Q", "A");
  const std::string with =
      "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\nA<|im_end|>\n";
  const std::string without = "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n";
  using Texts = std::vector<std::string>;
  BOOST_TEST(render_variants(document, qwen, Thinking::on) == Texts{with});
  BOOST_TEST(render_variants(document, qwen, Thinking::off) == Texts{without});
  BOOST_TEST(render_variants(document, qwen, Thinking::both) == (Texts{without, with}));
  BOOST_TEST(render_variants(document, qwen, Thinking::none) == Texts{"Q\n\nA"});
  BOOST_TEST(render_variants(document, qwen, Thinking::all) == (Texts{with, without, "Q\n\nA"}));
  BOOST_TEST(render_variants(document, std::nullopt, Thinking::both) == Texts{"Q\n\nA"});
  BOOST_TEST(render_variants(plain("text"), std::nullopt, Thinking::all) == Texts{"text"});

  // Nothing is left out of a join.
  BOOST_TEST(render_variants(chat("", "A"), qwen, Thinking::none) == Texts{"\n\nA"});
  BOOST_TEST(render_variants(chat("Q", ""), qwen, Thinking::none) == Texts{"Q\n\n"});
}

// Always thinks, so there is nothing to switch, and texts with and without thinking all the same.
BOOST_AUTO_TEST_CASE(a_template_that_always_thinks_has_both_texts) {
  using Texts = std::vector<std::string>;
  const ChatTemplate always(ChatFormat::qwen3_thinking);
  const std::string without = "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n";
  const std::string with =
      "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\nA<|im_end|>\n";
  BOOST_TEST(!always.has_thinking_switch());
  BOOST_TEST(render_variants(chat("Q", "A"), always, Thinking::both) == (Texts{without, with}));
  BOOST_TEST(thinking_notice(always, Thinking::both) == "");
}

// Gemma 2 has no system's message and wants roles that alternate: such a conversation is left out and told.
BOOST_AUTO_TEST_CASE(a_conversation_that_the_template_refuses_is_left_out) {
  const ChatTemplate gemma(ChatFormat::gemma2);
  const auto left_out = [&](std::vector<ChatMessage> messages, std::vector<std::string>& texts) {
    Document document;
    document.messages = std::move(messages);
    Inventory inventory;
    fit_to_template(document, gemma, Thinking::off, true, inventory);
    texts = render_variants(document, gemma, Thinking::off);
    std::string lines;
    for (const std::string& line : inventory.left_out_lines()) lines += line + '\n';
    return lines;
  };
  std::vector<std::string> texts;
  BOOST_TEST(left_out({{"user", "Q"}, {"assistant", "A"}}, texts) == "");
  BOOST_TEST(texts.at(0) ==
             "<bos><start_of_turn>user\nQ<end_of_turn>\n<start_of_turn>model\nA<end_of_turn>\n");
  for (const std::vector<ChatMessage>& messages : {std::vector<ChatMessage>{{"system", "S"}, {"user", "Q"}},
                                                   std::vector<ChatMessage>{{"user", "Q"}, {"user", "R"}}}) {
    const std::string lines = left_out(messages, texts);
    BOOST_TEST(lines.find("1 conversation (gemma2)") != std::string::npos, lines);
    BOOST_TEST(lines.find("refuses it: it") != std::string::npos, lines);
    BOOST_TEST(texts == std::vector<std::string>{""});
  }
}

BOOST_AUTO_TEST_CASE(a_template_without_a_switch_has_one_text) {
  using Texts = std::vector<std::string>;
  const Document document = chat("Q", "<think>\nwhy\n</think>\n\nA");
  const Texts text{"<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n"};
  const std::string plain_join = "Q\n\n<think>\nwhy\n</think>\n\nA";
  const ChatTemplate chatml(ChatFormat::chatml);
  for (const Thinking thinking : {Thinking::off, Thinking::on, Thinking::both})
    BOOST_TEST(render_variants(document, chatml, thinking) == text);
  BOOST_TEST(render_variants(document, chatml, Thinking::all) == (Texts{text[0], plain_join}));
  BOOST_TEST(render_variants(document, chatml, Thinking::none) == Texts{plain_join});
  // Who asks for nothing but the default is told nothing.
  for (const Thinking thinking : {Thinking::on, Thinking::both, Thinking::all})
    BOOST_TEST(thinking_notice(chatml, thinking).find("chatml has no place for thinking") !=
               std::string::npos);
  BOOST_TEST(thinking_notice(chatml, Thinking::off) == "");
  BOOST_TEST(thinking_notice(ChatTemplate(ChatFormat::qwen3), Thinking::both) == "");
}

// What a template has no rule for is taken out and told, never given to the user.
BOOST_AUTO_TEST_CASE(parts_that_a_template_has_no_rule_for) {
  Document made;
  made.messages = {{"user", "Weather?"}, {"assistant", ""}, {"tool", "21"}, {"assistant", "It is 21."}};
  made.messages[1].tool_calls = {{"w", "{\"city\": \"Rome\"}"}};
  made.messages[3].reasoning_content = "Hm.";
  made.tools = {"{\"name\": \"w\"}"};
  const auto fitted = [&](const std::optional<ChatTemplate>& chat, Thinking thinking, std::string& text,
                          bool asked = true) {
    Document document = made;
    Inventory inventory;
    fit_to_template(document, chat, thinking, asked, inventory);
    text = render_variants(document, chat, thinking).at(0);
    std::string lines;
    for (const std::string& line : inventory.left_out_lines()) lines += line + '\n';
    return lines;
  };
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  std::string text;
  BOOST_TEST(fitted(ChatTemplate(ChatFormat::qwen3), Thinking::on, text) == "");
  BOOST_TEST(has(text, "<tools>\n{\"name\": \"w\"}\n</tools>"));
  BOOST_TEST(has(text, "<|im_start|>assistant\n<think>\nHm.\n</think>\n\nIt is 21.<|im_end|>\n"), text);
  BOOST_TEST(
      has(text,
          "<tool_call>\n{\"name\": \"w\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call><|im_end|>\n"
          "<|im_start|>user\n<tool_response>\n21\n</tool_response><|im_end|>\n"),
      text);
  // The default takes thinking out, which is told unless it was asked for.
  BOOST_TEST(fitted(ChatTemplate(ChatFormat::qwen3), Thinking::off, text) == "");
  BOOST_TEST(
      has(fitted(ChatTemplate(ChatFormat::qwen3), Thinking::off, text, false), "1 thinking (assistant)"));
  BOOST_TEST(!has(text, "Hm."));
  for (const ChatFormat format : {ChatFormat::chatml, ChatFormat::smollm2}) {
    const std::string lines = fitted(ChatTemplate(format), Thinking::on, text);
    for (const char* part : {"1 turn (tool)", "1 tool call (w)", "1 tool description",
                             "1 thinking (assistant)", "has no known rule for it"})
      BOOST_TEST(has(lines, part), lines);
    BOOST_TEST(!has(text, "21</"), text);
    BOOST_TEST(has(text, "<|im_start|>user\nWeather?<|im_end|>\n<|im_start|>assistant\nIt is 21."), text);
  }
  // SmolLM3 describes tools and prints their responses, but no calls. A response to no call is none.
  const std::string smollm3 = fitted(ChatTemplate(ChatFormat::smollm3), Thinking::on, text);
  for (const char* part : {"1 tool call (w)", "1 turn (tool): the call that it responds to was left out"})
    BOOST_TEST(has(smollm3, part), smollm3);
  BOOST_TEST(!has(smollm3, "tool description"), smollm3);
  BOOST_TEST(has(text, "<tools>\n{'name': 'w'}\n</tools>"), text);
  BOOST_TEST(has(text, "<|im_start|>user\nWeather?<|im_end|>\n<|im_start|>assistant\nIt is 21."), text);
  // DeepSeek-R1 prints calls of turns without text, Llama 3.1 in place of the text.
  const ChatTemplate r1(ChatFormat::deepseek_r1);
  const ChatTemplate llama(ChatFormat::llama3_1);
  BOOST_TEST(!has(fitted(r1, Thinking::on, text), "call"));
  BOOST_TEST((has(text, "{\"city\": \"Rome\"}") && has(text, "21")), text);
  BOOST_TEST(!has(fitted(llama, Thinking::on, text), "call"));
  made.messages[1].content = "I look.";
  const std::string with_text = fitted(r1, Thinking::on, text);
  BOOST_TEST(has(with_text, "1 tool call (w): the chat template deepseek-r1 prints calls of turns without"),
             with_text);
  BOOST_TEST((has(text, "I look.") && !has(text, "Rome") && !has(text, "21<")), text);
  const std::string in_place = fitted(llama, Thinking::on, text);
  BOOST_TEST(has(in_place, "1 text beside a call (assistant): the chat template llama3.1 prints calls in"),
             in_place);
  BOOST_TEST((!has(text, "I look.") && has(text, "Rome")), text);
  made.messages[1].content.clear();
  const std::string none = fitted(std::nullopt, Thinking::none, text);
  BOOST_TEST((has(none, "1 thinking (assistant)") && has(none, "1 tool description")), none);
  BOOST_TEST(text == "Weather?\n\n{\"name\": \"w\", \"arguments\": {\"city\": \"Rome\"}}\n\n21\n\nIt is 21.");
  // Qwen3 prints thinking behind the last question only.
  made.messages.push_back({"user", "And now?"});
  BOOST_TEST(
      has(fitted(ChatTemplate(ChatFormat::qwen3), Thinking::on, text), "behind the last question only"));
}

BOOST_AUTO_TEST_CASE(texts_without_tokens_are_left_out) {
  const test::TempDir temp;
  PackOptions options;
  options.length = 2;
  options.blocks = 100;
  const PackedText packed = pack({plain(""), plain("a"), plain(""), plain("b")}, options, temp / "t");
  BOOST_TEST(packed.tokens == 4);
  BOOST_TEST(ids_of(temp / "t") == (std::vector<std::int32_t>{'a', 256, 'b', 256}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
