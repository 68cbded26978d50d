// JSON files of every shape, and those that are damaged or made to harm.
#include "tests/unit/datasets/support.hpp"

using namespace anemll;
using namespace anemll::test;

namespace {

std::vector<std::string> texts_of(const std::string& name, const std::string& content) {
  const TempDir folder;
  write(folder / name, content);
  return texts(read_all(folder / name, in_order()));
}
const std::vector<std::string> kAb = {"a", "b"};

}  // namespace

BOOST_AUTO_TEST_SUITE(datasets_json)

BOOST_AUTO_TEST_CASE(shapes) {
  for (
      const std::string& content : std::vector<std::string>{
          R"([{"text": "a"}, {"text": "b"}])", " \n[\n{\"text\": \"a\"}\r\n,\n{\"text\": \"b\"}\n]\n ",
          R"({"text": "a"}{"text": "b"})", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n",
          "\xef\xbb\xbf{\n\"text\":\n\"a\"}\n\n\n{\"text\": \"b\", \"tags\": [{}]}",
          R"({"data": [{"text": "a"}, {"text": "b"}]})",
          R"({"version": "1", "list": [1, "]", [2]], "n": {"x": [{}]}, "data": [{"text": "a"}, {"text": "b"}], "end": -1e5})",
          // An array of objects inside records is no wrapper.
          "{\"tags\": [{\"x\": 1}], \"text\": \"a\"}\n{\"tags\": [{}], \"text\": \"b\"}",
          R"([{"text": "lost", "text": "a"}, {"te\u0078t": "b"}])",
          R"([{"text": "a", "n": 123456789012345678901234567890, "x": 1e999}, {"text": "b", "y": NaN}])"})
    BOOST_TEST(texts_of("a.json", content) == kAb, boost::test_tools::per_element());
  BOOST_TEST(texts_of("a.jsonl", "\xef\xbb\xbf\n{\"text\": \"a\"}\r\n   \n\t{\"text\": \"b\"} \n\n") == kAb,
             boost::test_tools::per_element());
  BOOST_TEST(texts_of("a.ndjson", "{\"text\": \"a\"}\n{\"text\": \"b\"}") == kAb,
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(lines_are_counted) {
  const TempDir folder;
  write(folder / "a.json", "[\n {\"text\":\n \"a\"\n },\n\n {\"text\": \"b\"} ]");
  const auto documents = read_all(folder / "a.json", in_order());
  BOOST_TEST(documents.at(0).where == (folder / "a.json").string() + ":2");
  BOOST_TEST(documents.at(1).where == (folder / "a.json").string() + ":6");
}

BOOST_AUTO_TEST_CASE(broken_arrays) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[{\"text\": \"a\"}\n{\"text\": \"b\"}]", "a.json:2: not good JSON: a ',' or ']'"},
      {"[{\"text\": \"a\"},\n]",
       "a.json:2: not good JSON: a record must be an object that begins with '{', here is ']'"},
      {"[{\"text\": \"a\"}", "here is the end of the file"},
      {"[{\"text\": \"a\"},\n{\"text\": \"b", "a.json:2: not good JSON: the file ends in the middle"},
      {"[{\"text\": \"a\"}]\nx", "a.json:2: not good JSON: nothing may follow"},
      {"[{\"text\": \"a\"}, 7]", "here is '7'"},
      {"[1, 2]", "here is '1'"},
      {"text", "here is 't'"},
      {"{\"text\": \"a\"},", "here is ','"},
      {"{\"text\": \"a\"\n", "the file ends in the middle of the record"},
      {"{\"text\": \"a\" \"x\": 1}", "a.json:1: not good JSON"},
      {"{\"text\" \"a\"}", "a.json:1: not good JSON"},
      {"{\"text\": \"a\\x\"}", "a.json:1: not good JSON"},
      {"{\"text\": nul}", "a.json:1: not good JSON"},
      {"{\"text\": \"a\", ]}", "a.json:1: not good JSON"},
      {"{\"text\": \"a\tb\"}", "a.json:1: not good JSON"},
      {std::string("{\"text\": \"a\"}\0x", 15), "here is byte 0"},
      {"[{\"text\": \"a\0\"}]", "a.json:1"},
      {"{\"data\": [{\"text\": \"a\"}], }", "a.json:1"},
      {"]", "here is ']'"},
      {"{\"text\": \"\xff\"}", "not UTF-8"},
      {"{\"text\": \"\xed\xa0\x80\"}", "not UTF-8"},
      {"\xff\xfe{\0", "UTF-16"}};
  for (const auto& [content, message] : cases) {
    BOOST_TEST_CONTEXT(content) {
      expect_data_error({message}, [&] { texts_of("a.json", content); });
    }
  }
}

BOOST_AUTO_TEST_CASE(broken_lines) {
  const std::string good = "{\"text\": \"a\"}\n";
  std::string nul = good;
  nul.append("{\"text\": \"\0\"}\n", 14);
  expect_data_error({"a.jsonl:2", "not good JSON"},
                    [&] { texts_of("a.jsonl", good + "{\"text\": \"a\"\n" + good); });
  expect_data_error({"a.jsonl:2", "more on the line"},
                    [&] { texts_of("a.jsonl", good + "{\"text\": \"a\"} {}\n"); });
  expect_data_error({"a.jsonl:3", "not UTF-8"},
                    [&] { texts_of("a.jsonl", good + "\n{\"text\": \"\xc3(\"}\n"); });
  BOOST_TEST(texts_of("a.jsonl", "[" + good + "]").size() ==
             1U);  // other JSON than lines is read as what it is
  expect_data_error({"a.jsonl:2", "extension .json"}, [&] { texts_of("a.jsonl", good + "[" + good + "]"); });
  expect_data_error({"a.jsonl:2", "here is 'n'"}, [&] { texts_of("a.jsonl", good + "null\n"); });
  expect_data_error({"a.jsonl:2", "not good JSON"}, [&] { texts_of("a.jsonl", nul); });
}

BOOST_AUTO_TEST_CASE(half_surrogates_become_the_replacement_character) {
  const std::string bad = "\xef\xbf\xbd";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"(\ud83d)", bad},
      {R"(x\uDE00y)", "x" + bad + "y"},
      {R"(\ud83d\ude00)", "\xf0\x9f\x98\x80"},
      {R"(\ud83d\ud83d\ude00)", bad + "\xf0\x9f\x98\x80"},
      {R"(\ud83dx\ude00)", bad + "x" + bad},
      {R"(\ud83d\n)", bad + "\n" + "."},
      {R"(\\ud83d)", "\\ud83d"},
      {R"(\\\ud83d)", "\\" + bad},
      {R"(\ud83d\\ude00)", bad + "\\ude00"}};
  for (const auto& [escaped, expected] : cases) {
    const std::string end = expected.ends_with('.') ? "." : "";
    BOOST_TEST(texts_of("a.jsonl", "{\"text\": \"" + escaped + end + "\"}").at(0) == expected);
    BOOST_TEST(texts_of("a.json", "[{\"text\": \"" + escaped + end + "\"}]").at(0) == expected);
  }
  BOOST_TEST(texts_of("a.jsonl", R"({"text": "a\u0000b"})").at(0) == std::string("a\0b", 3));
}

BOOST_AUTO_TEST_CASE(deep_nesting_is_passed_over) {
  constexpr std::size_t kDeep = 200000;
  const std::string deep = std::string(kDeep, '[') + std::string(kDeep, ']');
  for (const char* name : {"a.json", "a.jsonl"}) {
    BOOST_TEST(texts_of(name, "{\"x\": " + deep + ", \"text\": \"a\"}").at(0) == "a");
    expect_data_error({name}, [&] { texts_of(name, "{\"text\": \"a\", \"x\": " + std::string(kDeep, '{')); });
  }
  expect_data_error({"there is no record in it"}, [&] { texts_of("a.json", deep); });
}

BOOST_AUTO_TEST_CASE(a_record_larger_than_every_buffer) {
  const std::string large(5 << 20, 'x');
  const auto read =
      texts_of("a.json", "[{\"y\": \"" + large + "\", \"text\": \"" + large + "\"}, {\"text\": \"b\"}]");
  BOOST_TEST(read.at(0) == large);
  BOOST_TEST(read.at(1) == "b");
  BOOST_TEST(texts_of("a.jsonl", "{\"text\": \"" + large + "\"}\n{\"text\": \"b\"}").at(1) == "b");
}

BOOST_AUTO_TEST_CASE(nothing_in_it) {
  for (const auto& [name, content] :
       std::vector<std::pair<std::string, std::string>>{{"a.json", ""},
                                                        {"a.json", "[]"},
                                                        {"a.json", " \n"},
                                                        {"a.json", "{\"data\": []}"},
                                                        {"a.jsonl", "\n\n"}}) {
    expect_data_error({"there is no record"}, [&, n = name, c = content] { texts_of(n, c); });
  }
}

BOOST_AUTO_TEST_CASE(text_files) {
  const TempDir folder;
  write(folder / "a.txt", "\xef\xbb\xbf\n one\n two \n");
  write(folder / "b.md", "# three");
  BOOST_TEST(texts(read_all(folder.path(), in_order())) == (std::vector<std::string>{"one\n two", "# three"}),
             boost::test_tools::per_element());
  BOOST_TEST(read_all(folder / "a.txt", in_order()).at(0).where == (folder / "a.txt").string());
  write(folder / "c.txt", "fine\nnot \xe9t\xe9\n");
  expect_data_error({"c.txt:2", "not UTF-8"}, [&] { read_all(folder / "c.txt", in_order()); });
  expect_data_error({"a.txt", "format alpaca", "plain"},
                    [&] { read_all(folder / "a.txt", in_order("alpaca")); });
  write(folder / "d.txt", " \n");
  for (const bool streaming : {false, true}) {
    DatasetOptions options = in_order();
    options.streaming = streaming;
    expect_data_error({"d.txt: is empty: there is no text in it", "whole"},
                      [&] { read_all(folder / "d.txt", options); });
  }
}

BOOST_AUTO_TEST_SUITE_END()
