// Rendering against the published templates under the Python library, and which templates are recognised.
#include "anemll/text/chat_template.hpp"

#include "src/core/hash.hpp"
#include "tests/unit/text/text_fixture.hpp"

#include <regex>

namespace anemll::test {
namespace {

std::vector<ChatMessage> messages_of(const Json& list) {
  std::vector<ChatMessage> out;
  for (const Json& item : list)
    out.push_back({item["role"], item["content"], item.value("reasoning_content", std::string())});
  return out;
}

constexpr const char* kSmol =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ "
    "'<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' "
    "}}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% "
    "endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

constexpr const char* kChatml =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif "
    "%}";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

/// `text` with one thing changed; what is replaced must be there.
std::string changed(const std::string& text, const std::string& from, const std::string& to) {
  BOOST_REQUIRE_MESSAGE(text.find(from) != std::string::npos, from);
  return replaced(text, from, to);
}

std::string published_qwen3() {
  return read_text(golden("nano/chat_template.jinja"));
}

/// The published template of July 2025, which guards against contents that are no string.
std::string later_qwen3() {
  std::string text = published_qwen3();
  const auto change = [&](const std::string& from, const std::string& to) { text = changed(text, from, to); };
  const std::string split = ".split('</think>')";
  const std::string thought = "reasoning_content = message.content" + split +
                              "[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}\n";
  const std::string rest =
      "{%- set content = message.content" + split + "[-1].lstrip('\\n') %}\n" + std::string(16, ' ');
  change("and not(message", "and message.content is string and not(message");
  change(rest + "{%- set " + thought,
         "{%- set " + thought + std::string(16, ' ') + rest.substr(0, rest.find('\n') + 1));
  change("reasoning_content is defined and message.reasoning_content is not none",
         "reasoning_content is string");
  change("        {%- set content = message.content %}\n", "");
  change("in messages %}\n    {%- if (",
         "in messages %}\n    {%- if message.content is string %}\n        {%- set content = message.content "
         "%}\n    {%- else %}\n        {%- set content = '' %}\n    {%- endif %}\n    {%- if (");
  for (const std::string use : {"+ message.content + '<|im_end|>'", "in message.content %}",
                                "{{- message.content", "= message.content.split"})
    change(use, replaced(use, "message.content", "content"));
  return text;
}

void expect_refused(const std::string& jinja, const std::string& part = "not one of the known ones") {
  expect_data_error([&] { ChatTemplate::recognise(jinja, "the file"); },
                    {part, "the file", "--chat-template", ChatTemplate::choices(), "--no-template",
                     "--dataset_format plain"});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_chat_template)

BOOST_AUTO_TEST_CASE(qwen3_equals_the_published_template) {
  const ChatTemplate qwen3 = ChatTemplate::recognise(published_qwen3(), "nano");
  BOOST_TEST(qwen3.name() == "qwen3");
  BOOST_TEST(qwen3.has_thinking_switch());
  const Json cases = golden_json("text/chat_cases.json");
  BOOST_TEST(cases.size() == 78U);
  for (const Json& item : cases) {
    const bool thinking = item["enable_thinking"].is_null() || item["enable_thinking"].get<bool>();
    BOOST_TEST(qwen3.render(messages_of(item["messages"]), thinking, item["add_generation_prompt"]) ==
               item["text"].get<std::string>());
  }
}

BOOST_AUTO_TEST_CASE(qwen3_tools_equal_the_published_templates) {
  const Json cases = golden_json("text/tool_cases.json");
  BOOST_TEST(cases.size() == 16U);
  for (const std::string& version : {published_qwen3(), later_qwen3()}) {
    const ChatTemplate qwen3 = ChatTemplate::recognise(version, "t");
    BOOST_TEST(qwen3.has_tools());
    for (const Json& item : cases) {
      std::vector<ChatMessage> messages;
      for (const Json& one : item["messages"]) {
        messages.push_back({one["role"], one["content"], one.value("reasoning_content", std::string())});
        for (const Json& call : one.value("tool_calls", Json::array())) {
          const Json& inner = call.contains("function") ? call["function"] : call;
          messages.back().tool_calls.push_back({inner["name"], inner["printed"]});
        }
      }
      std::vector<std::string> tools;
      for (const Json& tool : item["printed_tools"]) tools.push_back(tool);
      BOOST_TEST(qwen3.render(messages, item["enable_thinking"], item["add_generation_prompt"], tools) ==
                 item["text"].get<std::string>());
    }
  }
}

BOOST_AUTO_TEST_CASE(rules_for_roles_and_tools) {
  const ChatTemplate qwen3(ChatFormat::qwen3);
  for (const char* role : {"system", "user", "assistant", "tool"}) BOOST_TEST(qwen3.knows_role(role));
  BOOST_TEST(!qwen3.knows_role("developer"));
  for (const ChatFormat format : {ChatFormat::chatml, ChatFormat::smollm2}) {
    BOOST_TEST(!ChatTemplate(format).has_tools());
    BOOST_TEST(!ChatTemplate(format).knows_role("tool"));
    BOOST_TEST(ChatTemplate(format).knows_role("assistant"));
  }
  // A template of the family whose own rule for tools is another one.
  const ChatTemplate other =
      ChatTemplate::recognise(changed(published_qwen3(), "'\\n</tool_response>'", "'</tool_response>'"), "t");
  BOOST_TEST(other.name() == "qwen3");
  BOOST_TEST(!other.has_tools());
  BOOST_TEST(!other.knows_role("tool"));
  const std::vector<ChatMessage> messages = {
      {"user", "q", ""}, {"assistant", "a", "x"}, {"user", "q", ""}, {"assistant", "a", "x"}};
  BOOST_TEST(!qwen3.prints_thinking(messages, 1));
  BOOST_TEST(qwen3.prints_thinking(messages, 3));
  BOOST_TEST(!ChatTemplate(ChatFormat::chatml).prints_thinking(messages, 3));
}

BOOST_AUTO_TEST_CASE(qwen3_tools_and_history) {
  const ChatTemplate qwen3(ChatFormat::qwen3);
  const std::vector<ChatMessage> messages = {
      {"system", "s", ""},
      {"user", "q", ""},
      {"assistant", "<think>\nwhy\n</think>\n\ncall", ""},
      {"tool", "r1", ""},
      {"tool", "r2", ""},
      {"assistant", "plain", ""},
      {"user", "<tool_response>r3</tool_response>", ""},
      {"assistant", "end", ""},
  };
  // A user message that is wholly a tool response is no query, so that every answer is after the last one.
  BOOST_TEST(qwen3.render(messages, true, false) ==
             "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nq<|im_end|>\n"
             "<|im_start|>assistant\n<think>\nwhy\n</think>\n\ncall<|im_end|>\n"
             "<|im_start|>user\n<tool_response>\nr1\n</tool_response>\n<tool_response>\nr2\n</"
             "tool_response><|im_end|>\n"
             "<|im_start|>assistant\nplain<|im_end|>\n"
             "<|im_start|>user\n<tool_response>r3</tool_response><|im_end|>\n"
             "<|im_start|>assistant\n<think>\n\n</think>\n\nend<|im_end|>\n");
  BOOST_TEST(qwen3.render({{"narrator", "x", ""}}, true, false) == "");
  BOOST_TEST(qwen3.render({}, false, true) == "<|im_start|>assistant\n<think>\n\n</think>\n\n");
}

BOOST_AUTO_TEST_CASE(chatml_and_its_default_system_line) {
  const std::vector<ChatMessage> question = {{"user", "q", ""}};
  const std::vector<ChatMessage> with_system = {
      {"system", "s", ""}, {"user", "q", ""}, {"assistant", "a", ""}};
  const std::string turn = "<|im_start|>user\nq<|im_end|>\n";
  const ChatTemplate chatml = ChatTemplate::recognise(kChatml, "t");
  BOOST_TEST(chatml.name() == "chatml");
  BOOST_TEST(!chatml.has_thinking_switch());
  BOOST_TEST(chatml.render(question, true, false) == turn);
  BOOST_TEST(chatml.render(question, false, true) == turn + "<|im_start|>assistant\n");
  const ChatTemplate smol = ChatTemplate::recognise(kSmol, "t");
  BOOST_TEST(smol.name() == "smollm2");
  BOOST_TEST(
      smol.render(question, false, false) ==
      "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n" +
          turn);
  const std::string full =
      "<|im_start|>system\ns<|im_end|>\n" + turn + "<|im_start|>assistant\na<|im_end|>\n";
  BOOST_TEST(smol.render(with_system, true, false) == full);
  BOOST_TEST(chatml.render(with_system, true, false) == full);
}

BOOST_AUTO_TEST_CASE(layout_does_not_matter) {
  const std::string qwen3 = published_qwen3();
  const auto name = [](const std::string& jinja) { return ChatTemplate::recognise(jinja, "t").name(); };
  BOOST_TEST(name(replaced(replaced(qwen3, "{%- ", "{%-"), " %}", "%}")) == "qwen3");
  BOOST_TEST(name("{# made by hand #}\n" + std::regex_replace(qwen3, std::regex("\n +"), "\n\t")) == "qwen3");
  BOOST_TEST(name(replaced(qwen3, "message.role", "message['role']")) == "qwen3");
  BOOST_TEST(name(replaced(kChatml, "'", "\"")) == "chatml");
  BOOST_TEST(name(replaced(kChatml, "\n", "\\n")) == "chatml");
  BOOST_TEST(name(replaced(kSmol, "['role']", ".role") + "\n") == "smollm2");
  // As raw text instead of sums, over several lines.
  BOOST_TEST(
      name("{%- for message in messages %}\n<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
           "{% endfor %}\n{% if add_generation_prompt %}\n<|im_start|>assistant\n{% endif %}\n") == "chatml");
  BOOST_TEST(
      name("{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}" +
           std::string(kChatml)) == "chatml");
}

BOOST_AUTO_TEST_CASE(other_templates_are_refused) {
  expect_refused("", "the model has no chat template");
  expect_refused(
      "{{ bos_token }}{% for message in messages %}[INST] {{ message.content }} [/INST]{% endfor %}");
  expect_refused(replaced(kSmol, "SmolLM", "Qwen"));
  expect_refused(replaced(kChatml, "message['content']", "message['content'] | trim"));
  expect_refused(replaced(kChatml, "'<|im_end|>' + '\n'", "'<|im_end|>'"));
  expect_refused(replaced(kChatml, "{% endfor %}", " {% endfor %}"));
  expect_refused(replaced(kChatml, "{% if add", " {% if add"));
  expect_refused(replaced(kChatml, "in messages %}", "in messages %}{% if message['role'] != 'tool' %}"));
  const std::string qwen3 = published_qwen3();
  expect_refused(replaced(qwen3, "enable_thinking is false", "enable_thinking is true"));
  expect_refused(replaced(qwen3, "'<think>\\n\\n</think>\\n\\n'", "'<think>\\n'"));
  // ChatML with the system's line of Qwen2 is known, with another one not.
  expect_refused(replaced(kSmol, "named SmolLM, trained by Hugging Face", "named Qwen"));
  expect_refused(replaced(qwen3, "ns.last_query_index", "ns.last"));
  expect_refused("{%- macro render_content(x) %}{%- endmacro %}" + qwen3);
  // No Jinja at all, or torn.
  for (const char* jinja : {"{", "{{", "{%", "{#", "{{ '", "{% '\\", "}}", "{{ [ }}", "plain"})
    expect_refused(jinja);
}

// {% generation %} of trainers: transformers 5.24.0 renders the first five as the template without marks, and
// the others otherwise (with jinja2 3.1.6).
BOOST_AUTO_TEST_CASE(marks_for_a_loss_on_answers_print_nothing) {
  const std::string qwen3 = published_qwen3();
  const std::string begin =
      "        {%- set content = message.content %}\n        {%- set reasoning_content = ''";
  const std::string print = "        {%- if loop.index0 > ns.last_query_index %}";
  const std::string calls = "        {%- if message.tool_calls %}";
  const std::string next = "\n    {%- elif message.role == \"tool\" %}";
  const auto marked = [&](const std::string& from, const std::string& open, const std::string& close) {
    return changed(changed(qwen3, from, open + from), next, close + next);
  };
  const std::string end = "\n        {%- endgeneration %}";
  for (const std::string& jinja :
       {marked(begin, "        {%- generation %}\n", end), marked(print, "        {%- generation %}\n", end),
        marked(calls, "        {%- generation %}\n", end),
        marked(begin, "{%-generation-%}", "{%-endgeneration-%}"),
        marked(begin, "        {%- generation -%}\n", "\n        {%- endgeneration -%}")}) {
    const ChatTemplate chat = ChatTemplate::recognise(jinja, "t");
    BOOST_TEST(chat.name() == "qwen3");
    BOOST_TEST(chat.has_tools());
  }
  // Between the words of a sum, and beside branches for tools that are others.
  BOOST_TEST(ChatTemplate::recognise(
                 "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n'}}{% generation %}{{ "
                 "message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}{% endfor %}{% if "
                 "add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
                 "t")
                 .name() == "chatml");
  BOOST_TEST(ChatTemplate::recognise(changed(marked(begin, "{%- generation %}", end), "'\\n</tool_response>'",
                                             "'</tool_response>'"),
                                     "t")
                 .name() == "qwen3");
  // The line end before the second mark is printed.
  expect_refused(marked(begin, "        {% generation %}\n", "\n        {% endgeneration %}"));
  // What is set between marks is gone behind them.
  expect_refused(changed(changed(qwen3, begin, "{%- generation %}\n" + begin), print,
                         "        {%- endgeneration %}\n" + print));
  // No Jinja.
  expect_refused(changed(qwen3, begin, "{%- generation %}\n" + begin));
  expect_refused(marked(begin, "{%- generation x %}", end));
  expect_refused(marked(begin, "{%- endgeneration %}", "{%- generation %}"));
}

BOOST_AUTO_TEST_CASE(the_nearest_family_is_named) {
  const std::string qwen3 = published_qwen3();
  expect_refused(
      changed(qwen3, "{%- endfor %}\n{%- if add", "{%- endfor %}{{ '<|endoftext|>' }}\n{%- if add"),
      "the nearest is qwen3, which never prints '<|endoftext|>'");
  expect_refused(changed(qwen3, "enable_thinking is false", "enable_thinking is true"),
                 "the nearest is qwen3, which prints the same texts");
  expect_refused(changed(kSmol, "named SmolLM", "named Qwen"), "the nearest is smollm2");
  expect_refused(changed(kChatml, "message['content']", "message['content'] | trim"),
                 "the nearest is chatml");
  expect_refused(
      "{{ bos_token }}{% for message in messages %}[INST] {{ message.content }} [/INST]{% endfor %}",
      "it begins with {{ bos_token }}");
}

BOOST_AUTO_TEST_CASE(both_published_versions_of_qwen3) {
  // Of the files in the models' repositories.
  BOOST_TEST(sha256_hex(published_qwen3()) ==
             "87a2728cb8dc9fe424d624542f6060ec05a1d285ebbec578bb078900e33396b5");
  BOOST_TEST(sha256_hex(later_qwen3()) == "a55ee1b1660128b7098723e0abcd92caa0788061051c62d51cbe87d9cf1974d8");
  for (const std::string& version : {published_qwen3(), later_qwen3()}) {
    const auto name = [&](const std::string& from, const std::string& to) {
      return ChatTemplate::recognise(changed(version, from, to), "t").name();
    };
    BOOST_TEST(ChatTemplate::recognise(version, "t").name() == "qwen3");
    BOOST_TEST(name("# Tools", "## Tools") == "qwen3");
    BOOST_TEST(name("tool | tojson }}", "tool | tojson(indent=2) }}{% if a %}b{% endif %}") == "qwen3");
    BOOST_TEST(name("'<tool_call>\\n{", "'<tool_call>{") == "qwen3");
    BOOST_TEST(name("'\\n</tool_response>'", "'</tool_response>'") == "qwen3");
  }
}

// The members of July 2025 are later_qwen3 without the switch: one always opens a thought, and one has no
// thoughts at all.
BOOST_AUTO_TEST_CASE(the_later_kinds_of_qwen3) {
  const std::string later = later_qwen3();
  const std::string prompt =
      "<|im_start|>assistant\\n' }}\n    {%- if enable_thinking is defined and enable_thinking is false %}\n"
      "        {{- '<think>\\n\\n</think>\\n\\n' }}\n    {%- endif %}\n";
  const std::string thinking = changed(later, prompt, "<|im_start|>assistant\\n<think>\\n' }}\n");
  std::string instruct = changed(later, prompt, "<|im_start|>assistant\\n' }}\n");
  const auto cut = [&](const std::string& from, const std::string& to, const std::string& between) {
    const std::size_t begin = instruct.find(from);
    const std::size_t end = instruct.find(to);
    BOOST_REQUIRE(begin < end && end != std::string::npos);
    instruct.replace(begin, end - begin, between);
  };
  cut("{%- set ns = namespace", "{%- for message in messages %}\n    {%- if message.content is string", "");
  cut("        {%- set reasoning_content = '' %}", "        {%- if message.tool_calls %}",
      "        {{- '<|im_start|>' + message.role + '\\n' + content }}\n");
  for (const auto& [jinja, name] :
       {std::pair(thinking, "qwen3-thinking"), std::pair(instruct, "qwen3-instruct")}) {
    const ChatTemplate chat = ChatTemplate::recognise(jinja, "t");
    BOOST_TEST(chat.name() == name);
    BOOST_TEST(chat.has_tools());
    const ChatTemplate other =
        ChatTemplate::recognise(changed(jinja, "'\\n</tool_response>'", "'</tool_response>'"), "t");
    BOOST_TEST(other.name() == name);
    BOOST_TEST(!other.has_tools());
    expect_refused(changed(jinja, "<|im_end|>\\n", "<|im_end|>"));
  }
}

BOOST_AUTO_TEST_CASE(qwen3_that_renders_otherwise_is_refused) {
  const std::string turn = "+ '<|im_end|>' + '\\n' }}";
  const std::string system = "+ messages[0].content + '<|im_end|>\\n' }}\n    {%- endif %}";
  for (const std::string& version : {published_qwen3(), later_qwen3()}) {
    const auto refuse = [&](const std::string& from, const std::string& to) {
      expect_refused(changed(version, from, to));
    };
    expect_refused("{{- '<|endoftext|>' }}" + version);
    expect_refused("{{ bos_token }}" + version);
    expect_refused("{% set tools = true %}" + version);
    expect_refused(version + "\n\n\n");
    refuse(system, replaced(system, "{%- endif",
                            "{%- else %}{{- '<|im_start|>system\\nHi.<|im_end|>\\n' }}{%- endif"));
    refuse(system, replaced(system, ".content +", ".content | trim +"));
    refuse("'\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n'",
           "'\\n<think>' + reasoning_content.strip('\\n') + '</think>'");
    refuse("<|im_end|>\\n", "<|im_end|>");
    refuse("{{- '<|im_end|>\\n' }}\n    {%- elif", "{{- '<|im_end|>' }}\n    {%- elif");
    refuse("loop.index0 > ns.last_query_index", "loop.index0 > ns.last_query_index or true");
    refuse("loop.last or (not loop.last and reasoning_content)", "reasoning_content");
    refuse(turn, "+ ' /think' " + turn);
    refuse("message.role == \"user\"", "message.role == \"human\"");
    refuse("system\" and not loop.first", "system\"");
    refuse("startswith('<tool_response>')", "startswith('<tool>')");
    refuse("multi_step_tool=true", "multi_step_tool=false");
    refuse(".rstrip('\\n')", ".strip()");
    refuse(".lstrip('\\n') }}", " }}");
    // After the branches that no message here takes.
    refuse("    {%- endif %}\n{%- endfor %}\n{%- if add",
           "    {%- else %}\n        x{%- endif %}\n{%- endfor %}\n{%- if add");
    refuse("        {%- endif %}\n        {{- '<|im_end|>",
           "        {%- else %}x{%- endif %}\n        {{- '<|im_end|>");
    refuse("{%- if tools %}", "{%- if not tools %}");
    refuse("{%- if message.tool_calls %}", "{%- if message.content %}");
    refuse("role == \"tool\" %}", "role != \"assistant\" %}");
    refuse("{{- tool | tojson }}", "{% raw %}{% endfor %}{% endraw %}");
  }
}

BOOST_AUTO_TEST_CASE(templates_by_name) {
  std::string all;
  for (const char* name :
       {"qwen3", "qwen3-thinking", "qwen3-instruct", "qwen2.5", "qwen2.5-base", "qwen2", "chatml", "smollm2",
        "smollm3", "smollm3-unsloth", "llama3", "llama3.1", "gemma2", "gemma3", "deepseek-r1"}) {
    BOOST_TEST(ChatTemplate::named(name).name() == name);
    all.append(all.empty() ? "" : ", ").append(name);
  }
  BOOST_TEST(ChatTemplate::choices() == all);
  BOOST_CHECK_EXCEPTION(ChatTemplate::named("llama"), Error, [&](const Error& error) {
    return error.code() == ExitCode::usage && error.hint().find(all) != std::string::npos;
  });
}

BOOST_AUTO_TEST_CASE(thinking_is_stripped_with_the_space_after_it) {
  BOOST_TEST(strip_thinking("a<think>\n\n</think>\n\nb") == "ab");
  BOOST_TEST(strip_thinking("<think>x</think> \t\u3000<think>y</think>\x1c\u00a0z") == "z");
  BOOST_TEST(strip_thinking("<think>open") == "<think>open");
  BOOST_TEST(strip_thinking("a</think> b") == "a</think> b");
  BOOST_TEST(strip_thinking("<think>a<think>b</think>c</think>") == "c</think>");
  BOOST_TEST(strip_thinking("") == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
