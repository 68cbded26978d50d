// Files of prompts and answers: what is read, what is refused, and what a second start finds.
#include "src/infer/batch_file.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "tests/support/temp_dir.hpp"

#include <filesystem>
#include <set>
#include <string>
#include <string_view>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;
using nlohmann::json;

namespace {

const AnswerSettings kSettings = {{"seed", "1"}, {"top-k", "50"}};

/// A file with `text` in it, read as prompts.
std::vector<PromptRecord> prompts_of(const std::string& text) {
  const test::TempDir dir;
  write_file(dir / "in.jsonl", text);
  return read_prompt_file(dir / "in.jsonl");
}

void refused(const std::string& text, const std::string& part) {
  BOOST_CHECK_EXCEPTION(prompts_of(text), Error, [&](const Error& e) {
    BOOST_TEST_MESSAGE(e.what());
    const std::string all = e.what();
    return e.code() == ExitCode::data && all.find(part) != std::string::npos && !e.hint().empty();
  });
}

std::string line_of(std::size_t row) {
  return answer_line(prompts_of(R"({"prompt": "hi", "id": 7})")[0], {row, "there", 1, "stop"}, true);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_batch_file)

BOOST_AUTO_TEST_CASE(prompts_and_dialogues_are_read) {
  const auto prompts = prompts_of(
      "{\"prompt\": \"one\"}\n\n  \n{\"prompt\": \"two\", \"system\": \"be kind\", \"id\": 5}\r\n"
      R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},)"
      R"( {"role": "user", "content": "c"}]})");
  BOOST_TEST_REQUIRE(prompts.size() == 3U);
  BOOST_TEST(prompts[0].messages.size() == 1U);
  BOOST_TEST(prompts[0].messages[0].content == "one");
  BOOST_TEST(prompts[1].line == 4U);
  BOOST_TEST(prompts[1].messages[0].role == "system");
  BOOST_TEST(prompts[1].messages[1].content == "two");
  BOOST_TEST(prompts[2].messages.size() == 3U);
  BOOST_TEST(prompts[2].messages[1].role == "assistant");
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_told_with_its_line) {
  refused("{\"prompt\": \"one\"}\n{\"prompt\"", "line 2");
  refused("[1]\n", "no JSON object");
  refused("{\"text\": \"x\"}\n", "\"text\"");
  refused("{\"question\": \"x\"}\n", "no \"prompt\"");
  refused("{\"prompt\": 5}\n", "not a text");
  refused(R"({"prompt": "x", "messages": []})", "both");
  refused(R"({"prompt": "x", "answer": "y"})", "which the answers have");
  refused(R"({"messages": []})", "not a list of turns");
  refused(R"({"messages": [{"role": "user", "content": "x", "name": "y"}]})", "other keys");
  refused(R"({"messages": [{"role": "assistant", "content": "x"}]})", "the assistant's");
  refused(R"({"messages": [{"role": "user", "content": "x"}], "system": "y"})", "beside");
  refused("\n \n", "holds no prompts");
}

BOOST_AUTO_TEST_CASE(an_answer_carries_its_record_and_the_whole_text) {
  const json chat = json::parse(line_of(3));
  BOOST_TEST(chat.at("id") == 7);
  BOOST_TEST(chat.at("row") == 3);
  BOOST_TEST(chat.at("answer") == "there");
  BOOST_TEST(chat.at("ended") == "stop");
  BOOST_TEST(chat.at("messages") == json::parse(R"([{"role": "user", "content": "hi"},
                                                    {"role": "assistant", "content": "there"}])"));
  const PromptRecord prompt = prompts_of(R"({"prompt": "hi "})")[0];
  const json plain = json::parse(answer_line(prompt, {0, "there", 1, "length"}, false));
  BOOST_TEST(plain.at("text") == "hi there");
  BOOST_TEST(!plain.contains("messages"));
}

BOOST_AUTO_TEST_CASE(a_second_start_goes_on) {
  const test::TempDir dir;
  const std::filesystem::path out = dir / "out.jsonl";
  BOOST_TEST(!recorded_settings(out).has_value());
  { const AnswerFile without_answers(out, {{"seed", "2"}}, 4); }
  BOOST_TEST(!recorded_settings(out).has_value());
  {
    AnswerFile first(out, kSettings, 4);
    BOOST_TEST(first.done().empty());
    first.add(line_of(2) + line_of(0));
  }
  BOOST_TEST((recorded_settings(out) == kSettings));
  // A killed process leaves a part of a line.
  write_file(out, read_text(out) + line_of(3).substr(0, 20));
  {
    AnswerFile second(out, kSettings, 4);
    BOOST_TEST((second.done() == std::set<std::size_t>{0, 2}));
    second.add(line_of(3));
    second.add(line_of(1));
    second.finish();
  }
  BOOST_TEST(read_text(out) == line_of(0) + line_of(1) + line_of(2) + line_of(3));
  BOOST_TEST(AnswerFile(out, kSettings, 4).done().size() == 4U);
}

BOOST_AUTO_TEST_CASE(answers_of_others_are_not_touched) {
  const test::TempDir dir;
  const std::filesystem::path out = dir / "out.jsonl";
  const auto refuses = [&](const AnswerSettings& settings, ExitCode code, std::string_view part) {
    const std::string before = read_text(out);
    BOOST_CHECK_EXCEPTION(AnswerFile(out, settings, 4), Error, [&](const Error& e) {
      const std::string all = e.what();
      return e.code() == code && all.find(part) != std::string::npos && !e.hint().empty();
    });
    BOOST_TEST(read_text(out) == before);
  };
  write_file(out, "my notes");
  refuses(kSettings, ExitCode::usage, "is there already");
  std::filesystem::remove(out);
  AnswerFile(out, kSettings, 4).add(line_of(1));
  refuses({{"seed", "2"}, {"top-k", "50"}}, ExitCode::usage, "seed was '1', is '2'");
  refuses({{"seed", "1"}}, ExitCode::usage, "top-k was '50', is nothing");
  {
    const AnswerFile holder(out, kSettings, 4);
    refuses(kSettings, ExitCode::usage, "another process");
  }
  write_file(out, "");
  const AnswerFile holder(out, kSettings, 4);  // it has not written yet
  refuses({{"seed", "2"}}, ExitCode::usage, "another process");
}

BOOST_AUTO_TEST_CASE(lines_that_are_no_answers_are_told) {
  const test::TempDir dir;
  const std::filesystem::path out = dir / "out.jsonl";
  AnswerFile(out, kSettings, 4).add(line_of(1) + "{\"row\": 4}\n");
  BOOST_CHECK_EXCEPTION(AnswerFile(out, kSettings, 4), Error, [](const Error& e) {
    return e.code() == ExitCode::data && std::string(e.what()).find("line 2") != std::string::npos;
  });
}

BOOST_AUTO_TEST_SUITE_END()
