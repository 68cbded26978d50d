// anemll_tokenize as a user runs it: both ways, plain and by lines, and what it says about bad input.
#include "anemll/core/file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <string>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace anemll::test {
namespace {

struct Place {
  TempDir dir;
  std::string file(const std::string& name, const std::string& text) const {
    write_file(dir / name, text);
    return (dir / name).string();
  }
};

ToolResult tokenize(const std::string& command, const std::string& arguments) {
  return run(bin("anemll_tokenize") + " " + command + " --model-id " + golden("nano").string() + " " +
             arguments);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(e2e_tokenize)

BOOST_AUTO_TEST_CASE(there_and_back) {
  const Place place;
  const std::string text = "It's 2 o'clock,\n\t <think>caf\u00e9</think><|im_end|>\n";
  const ToolResult ids = tokenize("encode", place.file("text", text));
  BOOST_TEST(ids.code == 0, ids.output);
  BOOST_TEST(ids.output.find("4094") != std::string::npos);
  const std::string ids_file = place.file("ids", ids.output);
  BOOST_TEST(tokenize("decode", ids_file).output == text);
  BOOST_TEST(tokenize("decode", "< " + ids_file).output == text);
  BOOST_TEST(tokenize("decode", "--skip-special-tokens " + ids_file).output ==
             text.substr(0, text.find("<|im_end|>")) + "\n");
}

BOOST_AUTO_TEST_CASE(lines_keep_their_other_keys) {
  const Place place;
  const auto cases = nlohmann::json::parse(read_text(golden("text/nano_cases.json")));
  std::string lines;
  for (const auto& item : cases) lines += nlohmann::json{{"n", 1}, {"text", item["text"]}}.dump() + "\n\n";
  const ToolResult result = tokenize("encode", "--jsonl " + place.file("lines", lines));
  BOOST_TEST(result.code == 0, result.output);
  std::istringstream out(result.output);
  std::string line;
  std::size_t at = 0;
  for (; std::getline(out, line); ++at) {
    const auto record = nlohmann::json::parse(line);
    BOOST_TEST(
        (record["n"] == 1 && record["text"] == cases[at]["text"] && record["ids"] == cases[at]["ids"]));
  }
  BOOST_TEST(at == cases.size());
  const ToolResult back = tokenize("decode", "--jsonl " + place.file("ids", "{\"ids\": [220], \"x\": null}"));
  BOOST_TEST(back.output == "{\"ids\":[220],\"x\":null,\"text\":\" \"}\n");
}

BOOST_AUTO_TEST_CASE(bad_input_is_explained) {
  const Place place;
  const auto refuses = [&](const std::string& command, const std::string& input, const std::string& part) {
    const ToolResult result = tokenize(command, place.file("input", input));
    BOOST_TEST(result.code == 3, result.output);
    BOOST_TEST(result.output.find(part) != std::string::npos, result.output);
    BOOST_TEST(result.output.find("hint: ") != std::string::npos, result.output);
  };
  refuses("encode", "one\ntwo\xff", "byte 7 (line 2)");
  refuses("decode", "1 2 4096", "entry 2, 4096");
  refuses("decode", "1 2x", "entry 1, '2x'");
  refuses("decode", "99999999999", "entry 0");
  refuses("encode --jsonl", "{\"text\": \"a\"}\n{\"text\": 1}", ":2");
  refuses("encode --jsonl", "{\"text\": ", "not valid JSON");
  refuses("encode --jsonl", "[1]", "not a JSON object");
  refuses("encode --jsonl", "{\"text\": \"\xff\"}", "not UTF-8");
  refuses("decode --jsonl", "{\"ids\": [1, -1]}", "no list of ids");
  refuses("decode --jsonl", "{\"ids\": [70000]}", "entry 0, 70000");
  BOOST_TEST(
      run(bin("anemll_tokenize") + " encode --model-id " + place.dir.path().string() + " < /dev/null").code ==
      3);
  BOOST_TEST(run(bin("anemll_tokenize") + " encode").code == 2);
  BOOST_TEST(run(bin("anemll_tokenize") + " shred").code == 2);
  BOOST_TEST(run(bin("anemll_tokenize") + " --help").code == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
