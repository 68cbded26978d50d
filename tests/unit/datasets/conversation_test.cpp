// Roles, keys and columns of conversations: the known ones are used, the rest is counted.
#include "tests/unit/datasets/support.hpp"

using namespace anemll;
using namespace anemll::test;

namespace {

struct Made {
  std::vector<Document> documents;
  std::string left_out;  ///< the lines, joined
};

Made of_lines(const std::string& lines, const DatasetOptions& options) {
  const TempDir folder;
  write(folder / "a.jsonl", lines);
  auto dataset = Dataset::open(folder / "a.jsonl", options);
  Made made{drain(*dataset), {}};
  for (const std::string& line : dataset->report().inventory.left_out_lines()) made.left_out += line + "\n";
  return made;
}

Made turns(const std::string& list, const std::string& format = "sharegpt") {
  return of_lines("{\"conversations\": [" + list + "]}\n", in_order(format));
}

/// A turn that makes a conversation of one other turn.
const std::string kAnswer = R"(, {"from": "gpt", "value": "a"})";

bool has(const Made& made, const std::string& part) {
  return made.left_out.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_conversation)

BOOST_AUTO_TEST_CASE(roles_of_every_kind) {
  for (const auto& [role, ours] :
       std::vector<std::pair<std::string, std::string>>{{"human", "user"},
                                                        {"USER", "user"},
                                                        {"prompter", "user"},
                                                        {"system", "system"},
                                                        {"model", "assistant"},
                                                        {"chatgpt", "assistant"},
                                                        {"Assistant", "assistant"},
                                                        {"bot", "assistant"},
                                                        {"tool", "tool"},
                                                        {"observation", "tool"},
                                                        {"function", "tool"},
                                                        {"function_response", "tool"},
                                                        {"ipython", "tool"}}) {
    for (const char* format : {"sharegpt", "openhermes"}) {
      const Made made = turns(R"({"from": ")" + role + R"(", "value": "x"})" + kAnswer, format);
      BOOST_REQUIRE_EQUAL(made.documents.size(), 1U);
      BOOST_TEST(flat(made.documents[0]) == ours + "=x|assistant=a");
      BOOST_TEST(made.left_out.empty(), made.left_out);
    }
  }
  for (const char* role : {"moderator", "developer", "humans", ""}) {
    const Made made = turns(R"({"from": "human", "value": "q"}, {"from": ")" + std::string(role) +
                            R"(", "value": "x"})" + kAnswer);
    BOOST_TEST(flat(made.documents.at(0)) == "user=q|assistant=a");
    BOOST_TEST(
        has(made, std::string("not used: 1 turn (") + (*role == '\0' ? "(without a role)" : role) + ")"),
        made.left_out);
  }
}

// 43-sharegpt-tools
BOOST_AUTO_TEST_CASE(calls_and_responses_of_tools) {
  const Made made = turns(
      R"({"from": "system", "value": "You can call tools."}, {"from": "human", "value": "Weather in Rome?"}, )"
      R"({"from": "function_call", "value": "{\"name\": \"w\", \"arguments\": {\"city\": \"Rome\"}}"}, )"
      R"({"from": "observation", "value": "{\"t\": 21}"}, {"from": "gpt", "value": "It is 21 degrees."})");
  BOOST_TEST(made.left_out.empty(), made.left_out);
  const auto& messages = made.documents.at(0).messages;
  BOOST_REQUIRE_EQUAL(messages.size(), 5U);
  BOOST_TEST(flat(made.documents[0]) ==
             "system=You can call tools.|user=Weather in Rome?|assistant=|tool={\"t\": 21}|assistant=It is "
             "21 degrees.");
  BOOST_REQUIRE_EQUAL(messages[2].tool_calls.size(), 1U);
  BOOST_TEST(messages[2].tool_calls[0].name == "w");
  BOOST_TEST(messages[2].tool_calls[0].arguments == R"({"city": "Rome"})");
}

BOOST_AUTO_TEST_CASE(forms_of_calls) {
  const auto calls = [](const std::string& turn) {
    const Made made = turns(turn + kAnswer);
    BOOST_TEST(made.left_out.empty(), made.left_out);
    std::string out;
    for (const ToolCall& call : made.documents.at(0).messages.at(0).tool_calls)
      out += call.name + call.arguments;
    return out;
  };
  BOOST_TEST(
      calls(
          R"({"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "w", "arguments": "{\"a\":1}"}}]})") ==
      R"(w{"a":1})");
  BOOST_TEST(
      calls(
          R"({"role": "assistant", "tool_calls": [{"name": "w", "arguments": {"a":1.50,"b":[true,null,"\u00e9\n"]}}, {"name": "v"}]})") ==
      "w{\"a\": 1.5, \"b\": [true, null, \"\xc3\xa9\\n\"]}v{}");
  BOOST_TEST(
      calls(R"({"role": "assistant", "content": "", "function_call": {"name": "w", "arguments": {}}})") ==
      "w{}");
  BOOST_TEST(
      calls(
          R"({"from": "function_call", "value": "[{\"name\": \"w\", \"arguments\": {}}, {\"name\": \"v\", \"arguments\": {}}]"})") ==
      "w{}v{}");
  BOOST_TEST(calls(R"({"from": "function_call", "value": "<tool_call>\n{}\n</tool_call>"})").empty());
  for (const char* bad : {"w(1)", "[1]", "{\\\"arguments\\\": {}}", "[[]]"})
    expect_data_error({"a.jsonl:1", "turn 1 of 'conversations'"}, [&] {
      turns(std::string(R"({"from": "function_call", "value": ")") + bad + "\"}" + kAnswer);
    });
  const Made told = turns(
      R"({"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "w"}}]}, {"role": "tool", "tool_call_id": "c1", "content": "r"})");
  for (const char* key : {"tool_calls.id", "tool_calls.type", "tool_call_id"})
    BOOST_TEST(has(told, key), told.left_out);
}

BOOST_AUTO_TEST_CASE(turns_may_be_a_text_that_holds_them) {
  const std::string list = R"([{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])";
  std::string quoted, doubled;
  for (const char c : list) {
    quoted += c == '"' ? "\\\"" : std::string(1, c);
    doubled += c == '"' ? "\"\"" : std::string(1, c);
  }
  const TempDir folder;
  write(folder / "a.jsonl", "{\"messages\": \"" + quoted + "\"}\n");
  write(folder / "a.csv", "id,messages\n1,\"" + doubled + "\"\n");
  for (const char* name : {"a.jsonl", "a.csv"})
    BOOST_TEST(flat(read_all(folder / name, in_order("sharegpt")).at(0)) == "user=q|assistant=a");
  write(folder / "b.jsonl", "{\"messages\": \"q\"}\n");
  expect_data_error({"b.jsonl:1", "'messages' is a string, not a list of turns"},
                    [&] { read_all(folder / "b.jsonl", in_order("sharegpt")); });
}

// 43d-reasoning-content
BOOST_AUTO_TEST_CASE(thinking_of_every_name) {
  for (const char* key : {"reasoning_content", "thinking", "reasoning"}) {
    const Made made = turns(R"({"role": "user", "content": "2+2?"}, {"role": "assistant", ")" +
                            std::string(key) + R"(": "Adding two and two.", "content": "4."})");
    BOOST_TEST(made.documents.at(0).messages.at(1).reasoning_content == "Adding two and two.");
    BOOST_TEST(made.documents[0].messages[1].content == "4.");
    BOOST_TEST(made.left_out.empty(), made.left_out);
  }
  BOOST_TEST(
      has(turns(R"({"role": "user", "content": "q", "thinking": "x"})" + kAnswer), "1 thinking (user)"));
  BOOST_TEST(
      has(turns(R"({"role": "assistant", "content": "q", "thinking": true})" + kAnswer), "1 key (thinking)"));
}

BOOST_AUTO_TEST_CASE(keys_that_no_rule_reads_are_counted) {
  const Made made =
      turns(R"({"from": "human", "value": "q", "weight": 0, "name": "Bob", "empty": "", "null": null},)"
            R"( {"from": "gpt", "value": "a", "weight": 1.0, "content": "b"})");
  BOOST_TEST(has(made, "3 keys (name, weight x 2): no rule reads"), made.left_out);
  BOOST_TEST(has(made, "1 key (content): another key of the turn is read"), made.left_out);
  BOOST_TEST(flat(made.documents.at(0)) == "user=q|assistant=a");
}

// 42b-content-mixed
BOOST_AUTO_TEST_CASE(contents_as_lists_of_parts) {
  const std::string line =
      R"({"messages": [{"role": "user", "content": "Hi there"}, {"role": "assistant", "content": "Fox."}]})";
  const std::string parts =
      R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi "}, "the", {"text": "re"}]},)"
      R"( {"role": "assistant", "content": [{"type": "text", "text": "Fox."}]}]})";
  const Made made = of_lines(line + "\n" + parts + "\n", in_order("sharegpt"));
  BOOST_REQUIRE_EQUAL(made.documents.size(), 2U);
  BOOST_TEST(flat(made.documents[1]) == flat(made.documents[0]));
  BOOST_TEST(made.left_out.empty(), made.left_out);
  const Made image = turns(
      R"({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "q"}, {"type": "image"}]})" +
      kAnswer);
  BOOST_TEST(flat(image.documents.at(0)) == "user=q|assistant=a");
  BOOST_TEST(has(image, "2 parts (image, image_url)"), image.left_out);
}

BOOST_AUTO_TEST_CASE(columns_as_turns) {
  const Made made = of_lines(R"({"messages": {"role": ["user", "assistant"], "content": ["q", "a"]}})",
                             in_order("sharegpt"));
  BOOST_TEST(flat(made.documents.at(0)) == "user=q|assistant=a");
  expect_data_error({"'messages' is an object"}, [] {
    of_lines(R"({"messages": {"role": ["user"], "content": ["q", "a"]}})", in_order("sharegpt"));
  });
}

BOOST_AUTO_TEST_CASE(columns_beside_the_turns) {
  const std::string list =
      R"("conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}])";
  const auto with = [&](const std::string& more) {
    return of_lines("{" + list + ", " + more + "}", in_order("sharegpt"));
  };
  BOOST_TEST(flat(with(R"("system": " s ")").documents.at(0)) == "system=s|user=q|assistant=a");
  BOOST_TEST(flat(with(R"("system_prompt": "s", "system": null)").documents.at(0)) ==
             "system=s|user=q|assistant=a");
  const std::string own =
      R"("conversations": [{"from": "system", "value": "t"}, {"from": "human", "value": "q"}], "system": ")";
  BOOST_TEST(has(of_lines("{" + own + "s\"}", in_order("sharegpt")), "1 column (system)"));
  BOOST_TEST(of_lines("{" + own + "t\"}", in_order("sharegpt")).left_out.empty());
  for (const char* tools :
       {R"([{"name":"w"}])", R"("[{\"name\":\"w\"}]")", R"(["{\"name\":\"w\"}"])", R"({"name":"w"})"}) {
    const Made made = with(R"("tools": )" + std::string(tools));
    BOOST_REQUIRE_EQUAL(made.documents.at(0).tools.size(), 1U);
    BOOST_TEST(made.documents[0].tools[0] == R"({"name": "w"})");
  }
  for (const char* none : {"null", "[]", "\"\"", "\"[]\""})
    BOOST_TEST(with(R"("tools": )" + std::string(none)).documents.at(0).tools.empty());
  expect_data_error({"'tools' is a string"}, [&] { with(R"("tools": "w")"); });
  const Made rest =
      with(R"("id": 7, "source": "x", "score": null, "messages": [{"role": "user", "content": "other"}])");
  BOOST_TEST(has(rest, "2 columns (id, source): format sharegpt does not read it"), rest.left_out);
  BOOST_TEST(has(rest, "1 column (messages): another column"), rest.left_out);
}

// 67-alpaca-history
BOOST_AUTO_TEST_CASE(alpaca_system_and_history) {
  const Made made = of_lines(
      R"({"system": "You are a pirate.", "instruction": "And then?", "input": "", "output": "Fox.", "history": [["First question", "First answer"]]})",
      in_order("alpaca"));
  BOOST_TEST(
      flat(made.documents.at(0)) ==
      "system=You are a pirate.|user=First question|assistant=First answer|user=And then?|assistant=Fox.");
  BOOST_TEST(made.left_out.empty(), made.left_out);
  for (const char* none : {"null", "[]", "\"\"", "\"[]\""})
    BOOST_TEST(flat(of_lines(R"({"instruction": "q", "output": "a", "system": "", "history": )" +
                                 std::string(none) + "}",
                             in_order("alpaca"))
                        .documents.at(0)) == "user=q|assistant=a");
  for (const char* bad : {"[[\"q\"]]", "[\"q\", \"a\"]", "7", "[[1, 2]]", "\"text\""})
    expect_data_error({"a.jsonl:1", "'history' is"}, [&] {
      of_lines(R"({"instruction": "q", "output": "a", "history": )" + std::string(bad) + "}",
               in_order("alpaca"));
    });
  // By the reference's rules they are no part of the text, which is told.
  DatasetOptions reference = in_order("alpaca");
  reference.reference_rules = true;
  const Made theirs =
      of_lines(R"({"system": "s", "instruction": "q", "output": "a", "history": [["x", "y"]]})", reference);
  BOOST_TEST(flat(theirs.documents.at(0)) == "user=q|assistant=a");
  BOOST_TEST(has(theirs, "2 columns (history, system)"), theirs.left_out);
  // Nothing but empty fields is nothing to learn.
  const Made empty =
      of_lines("{\"instruction\": null, \"output\": \"\"}\n{\"instruction\": \"q\", \"output\": \"a\"}\n",
               in_order("alpaca"));
  BOOST_TEST(empty.documents.size() == 1U);
  BOOST_TEST(has(empty, "1 record (empty)"), empty.left_out);
}

BOOST_AUTO_TEST_SUITE_END()
