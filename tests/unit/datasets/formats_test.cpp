// Records to documents: every format on real records, its skip rules, and records that do not fit.
#include "src/datasets/internal/dataset_format.hpp"
#include "src/datasets/internal/white_space.hpp"
#include "tests/unit/datasets/support.hpp"

using namespace anemll;
using namespace anemll::test;

namespace {

/// The documents of a .jsonl file with these lines.
std::vector<Document> of_lines(const std::string& lines, const DatasetOptions& options) {
  const TempDir folder;
  write(folder / "a.jsonl", lines);
  return read_all(folder / "a.jsonl", options);
}

DatasetOptions by_reference(const std::string& format) {
  DatasetOptions options = in_order(format);
  options.reference_rules = true;
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_formats)

BOOST_AUTO_TEST_CASE(alpaca_records) {
  const auto documents = read_all(golden("datasets/alpaca_40.json"), in_order("alpaca"));
  BOOST_REQUIRE_EQUAL(documents.size(), 40U);
  for (const Document& document : documents) {
    BOOST_REQUIRE_EQUAL(document.messages.size(), 2U);
    BOOST_TEST(document.messages[0].role == "user");
    BOOST_TEST(document.messages[1].role == "assistant");
    BOOST_TEST(document.text.empty());
  }
  BOOST_TEST(documents[0].messages[0].content == "Describe a process of making crepes.");
  BOOST_TEST(documents[0].messages[1].content.starts_with("Making crepes is an easy and delicious process!"));
  BOOST_TEST(documents[0].where == golden("datasets/alpaca_40.json").string() + ":2");
  BOOST_TEST(
      documents[1].messages[0].content.starts_with("Transform the following sentence using a synonym"));
  BOOST_TEST(documents[5].messages[0].content ==
             "Given the parameters of a triangle, find out its perimeter."
             "\n\n"
             "Side 1 = 4\nSide 2 = 6\nSide 3 = 8");
  const auto chat = read_all(golden("datasets/alpaca_40.json"), in_order("alpaca_chat"));
  for (std::size_t i = 0; i < documents.size(); ++i) BOOST_TEST(flat(chat[i]) == flat(documents[i]));
}

BOOST_AUTO_TEST_CASE(alpaca_rules) {
  const auto documents =
      of_lines(R"({"instruction": " \u00a0a \n", "input": "\t\u3000 ", "output": "\u2028b\u001f"})"
               "\n"
               R"({"instruction": "a", "input": " i ", "output": "b", "id": [1, {"x": 2}]})"
               "\n"
               R"({"instruction": null, "output": "b"})"
               "\n",
               in_order("alpaca"));
  BOOST_REQUIRE_EQUAL(documents.size(), 3U);
  BOOST_TEST(flat(documents[0]) == "user=a|assistant=b");
  BOOST_TEST(flat(documents[1]) == "user=a\n\ni|assistant=b");
  BOOST_TEST(flat(documents[2]) == "user=|assistant=b");
  expect_data_error({"a.jsonl:2", "'output' is a number"}, [] {
    of_lines("{\"instruction\": \"a\", \"output\": \"b\"}\n{\"instruction\": \"a\", \"output\": 7}\n",
             in_order("alpaca"));
  });
}

BOOST_AUTO_TEST_CASE(dolly_records) {
  const auto documents = read_all(golden("datasets/dolly_12.json"), in_order("dolly"));
  BOOST_REQUIRE_EQUAL(documents.size(), 12U);
  BOOST_TEST(documents[0].messages[0].content == "Create a story involving a talking mouse and an elephant.");
  std::size_t with_context = 0;
  for (const Document& document : documents)
    if (document.messages[0].content.find("\n\nContext:\n") != std::string::npos) ++with_context;
  BOOST_TEST(with_context == 5U);
  const auto made =
      of_lines(R"({"instruction": "a ", "context": " c", "response": "r "})", in_order("dolly"));
  BOOST_TEST(flat(made.at(0)) == "user=a \n\nContext:\n c|assistant=r ");
}

BOOST_AUTO_TEST_CASE(openhermes_records) {
  auto dataset = Dataset::open(golden("datasets/openhermes_12.json"), in_order("openhermes"));
  const auto documents = drain(*dataset);
  // One record has a single turn, another an empty question.
  BOOST_TEST(documents.size() == 10U);
  BOOST_TEST(dataset->records() == 12);
  BOOST_TEST(dataset->skipped() == 2);
  BOOST_TEST(documents[3].messages.size() == 3U);
  BOOST_TEST(documents[3].messages[0].role == "system");
  BOOST_TEST(documents[3].messages[0].content == "You are terse.");
  BOOST_TEST(documents[5].messages.size() == 4U);
  const auto made = of_lines(
      R"({"conversations": [{"from": "tool", "value": "t"}, {"from": "gpt", "value": ""}, {"value": null, "from": "gpt"},)"
      R"( {"from": "GPT", "value": "g", "weight": 1.5}]})",
      by_reference("openhermes"));
  BOOST_TEST(flat(made.at(0)) == "user=t|user=g");
}

BOOST_AUTO_TEST_CASE(sharegpt_records) {
  auto dataset = Dataset::open(golden("datasets/sharegpt_10.json"), by_reference("sharegpt"));
  const auto documents = drain(*dataset);
  BOOST_REQUIRE_EQUAL(documents.size(), 10U);
  // The reference makes other roles the user's; here they keep their own.
  BOOST_TEST(flat(read_all(golden("datasets/sharegpt_10.json"), in_order("sharegpt")).at(8)) ==
             "user=x|assistant=y|tool=z");
  BOOST_TEST(documents[0].messages[0].role == "user");
  BOOST_TEST(documents[0].messages[1].role == "assistant");
  BOOST_TEST(flat(documents[8]) == "user=x|assistant=y|user=z");
  BOOST_TEST(flat(documents[9]) == "system=s|user=q|assistant=a");
  const auto made = of_lines(
      R"({"conversations": [], "messages": [{"role": "HUMAN", "content": "a"}, {"from": "", "role": "Bot", "value": "", "content": "b"}]})"
      "\n"
      R"({"conversations": [{"role": "user", "content": "alone"}]})"
      "\n"
      R"({"other": 1})",
      in_order("sharegpt"));
  BOOST_REQUIRE_EQUAL(made.size(), 1U);
  BOOST_TEST(flat(made[0]) == "user=a|assistant=b");
}

BOOST_AUTO_TEST_CASE(plain_records) {
  const auto documents = read_all(golden("datasets/c4_demo.jsonl"), in_order());
  BOOST_REQUIRE_EQUAL(documents.size(), 10U);
  BOOST_TEST(documents[0].text.starts_with("Don\xe2\x80\x99t think you need all the bells"));
  BOOST_TEST(documents[9].where == golden("datasets/c4_demo.jsonl").string() + ":10");
  DatasetOptions options = in_order();
  options.text_field = "body";
  auto made = of_lines(R"({"body": 3}
{"body": "  "}
{"body": null}
{"text": "x"}
{"body": ["x"]}
{"body": "\u2003 kept \r\n", "text": "other"})",
                       options);
  BOOST_REQUIRE_EQUAL(made.size(), 1U);
  BOOST_TEST(made[0].text == "kept");
}

BOOST_AUTO_TEST_CASE(a_record_that_does_not_fit_names_what_would) {
  expect_data_error({"a.jsonl:1", "(text)", "it has instruction, input, output", "--dataset_format alpaca"},
                    [] { of_lines(R"({"instruction": "a", "input": "", "output": "b"})", in_order()); });
  expect_data_error({"it has conversations", "openhermes, sharegpt"},
                    [] { of_lines(R"({"conversations": []})", in_order("dolly")); });
  expect_data_error({"it has body, id", "--dataset_text_field"},
                    [] { of_lines(R"({"body": "a", "id": 1})", in_order()); });
  expect_data_error({"it has none"}, [] { of_lines("{}", in_order("alpaca")); });
}

BOOST_AUTO_TEST_CASE(wrong_types_name_the_record) {
  expect_data_error({"a.jsonl:2", "'value' of turn 2 of 'conversations' is a list"}, [] {
    of_lines(
        "{\"conversations\": []}\n{\"conversations\": [{\"from\": \"human\", \"value\": \"a\"}, {\"value\": "
        "[1]}]}",
        in_order("openhermes"));
  });
  expect_data_error({"'messages' is a list with a string in it"},
                    [] { of_lines(R"({"messages": ["a", "b"]})", in_order("sharegpt")); });
  expect_data_error({"'messages' is a string"},
                    [] { of_lines(R"({"messages": "a"})", in_order("sharegpt")); });
}

BOOST_AUTO_TEST_CASE(every_format_has_a_reader) {
  for (const auto& [format, name] : kRecordFormats) {
    DatasetOptions options = in_order(std::string(name));
    BOOST_TEST((options.format == format), name);
    const auto reader = datasets::make_format(options);
    BOOST_REQUIRE_MESSAGE(reader != nullptr, name);
    BOOST_TEST(!reader->fields().main.empty(), name);
    BOOST_TEST(reader->plain() == (format == RecordFormat::plain), name);
  }
}

BOOST_AUTO_TEST_CASE(nothing_but_skipped_records) {
  const std::string lines = "{\"text\": 1}\n{\"text\": \" \"}\n";
  expect_data_error({"skips every one of the 2 records", ":1: ", "'text' is a number"},
                    [&] { of_lines(lines, in_order()); });
  expect_data_error({"'text' is blank"}, [&] { of_lines("{\"text\": \" \"}\n", in_order()); });
  expect_data_error({"'text' is null"}, [&] { of_lines("{\"text\": null}\n", in_order()); });
  DatasetOptions streaming = in_order();
  streaming.streaming = true;
  expect_data_error({"skips every one of the 2 records"}, [&] { of_lines(lines, streaming); });
}

BOOST_AUTO_TEST_CASE(strip_is_pythons) {
  // Every character for which Python's str.isspace holds.
  const std::string all =
      "\t\n\v\f\r\x1c\x1d\x1e\x1f "
      "\xc2\x85\xc2\xa0\xe1\x9a\x80\xe2\x80\x80\xe2\x80\x81\xe2\x80\x82\xe2\x80\x83\xe2\x80\x84"
      "\xe2\x80\x85\xe2\x80\x86\xe2\x80\x87\xe2\x80\x88\xe2\x80\x89\xe2\x80\x8a\xe2\x80\xa8\xe2\x80\xa9\xe2"
      "\x80\xaf\xe2\x81\x9f"
      "\xe3\x80\x80";
  BOOST_TEST(datasets::python_strip(all).empty());
  BOOST_TEST(datasets::python_strip(all + "a b" + all) == "a b");
  // Zero-width space, byte order mark and Mongolian vowel separator stay.
  for (const std::string kept : {"\xe2\x80\x8b", "\xef\xbb\xbf", "\xe1\xa0\x8e", "\x1b"})
    BOOST_TEST(datasets::python_strip(" " + kept + " ") == kept);
}

// Where no format has fields of these names, what is in the columns tells how to read them.
BOOST_AUTO_TEST_CASE(advice_by_what_columns_hold) {
  const TempDir folder;
  const auto turns = [](const std::string& answer) {
    return R"([{"role": "user", "content": "q"}, {"role": "assistant", "content": ")" + answer + "\"}]";
  };
  const auto file = folder / "a.jsonl";
  write(file,
        R"({"prompt": "q", "id": 1, "rejected": )" + turns("b") + ", \"chosen\": " + turns("a") + "}\n");
  for (const char* format : {"plain", "sharegpt", "alpaca"})
    expect_data_error({"'chosen' holds turns: --dataset_format sharegpt --map conversations=chosen"},
                      [&] { read_all(file, in_order(format)); });
  DatasetOptions options = in_order("sharegpt");
  options.map = field_columns({"conversations=chosen"});
  BOOST_TEST(flat(read_all(file, options).at(0)) == "user=q|assistant=a");
  options = in_order();
  options.text_field = "chosen";
  expect_data_error({"skips every one", "--map conversations=chosen"}, [&] { read_all(file, options); });

  write(file, "[1]\n{\"prompt\": \"q\", \"chosen\": \"a\", \"rejected\": \"b\"}\n");
  for (const char* format : {"plain", "sharegpt", "dolly"}) {
    options = in_order(format);
    options.max_bad_records = 1;
    expect_data_error({"--dataset_format alpaca_chat --map instruction=prompt --map output=chosen"},
                      [&] { read_all(file, options); });
  }
  options = in_order("alpaca_chat");
  options.max_bad_records = 1;
  options.map = field_columns({"instruction=prompt", "output=chosen"});
  BOOST_TEST(flat(read_all(file, options).at(0)) == "user=q|assistant=a");

  write(
      file,
      R"({"prompt": [{"role": "user", "content": "q"}], "chosen": [{"role": "assistant", "content": "a"}]})");
  expect_data_error({"in two columns", R"(r["prompt"] + r["chosen"])"}, [&] { read_all(file, in_order()); });
  write(file, R"({"body": "words", "list": [1]})");
  expect_data_error({"name the field that holds the text with --dataset_text_field"},
                    [&] { read_all(file, in_order()); });
}

BOOST_AUTO_TEST_SUITE_END()
