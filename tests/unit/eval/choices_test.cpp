// Multiple-choice questions: how files are read, and which choice a model is said to take.
#include "src/eval/choices.hpp"

#include "anemll/core/error.hpp"
#include "tests/support/temp_dir.hpp"

#include <cstddef>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

const Tokenizer& tokenizer() {
  static const TextModel model = load_text_model(test::golden("nano"));
  return model.tokenizer;
}

struct File {
  test::TempDir dir;
  std::string path = (dir / "questions.jsonl").string();
  explicit File(const std::string& lines) { std::ofstream(path) << lines; }
  ChoiceQuestions read(std::int64_t limit = 0) const { return read_choices(path, tokenizer(), limit); }
  std::string refusal() const {
    try {
      read();
    } catch (const Error& e) {
      BOOST_TEST((e.code() == ExitCode::data));
      return e.what();
    }
    return {};
  }
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Two questions of two choices; the logarithms of the four likelihoods are given as sums over tokens.
TextScores scores_of(const TextScorer& scorer, const std::vector<double>& nll) {
  TextScores scores;
  scores.positions.resize(static_cast<std::size_t>(scorer.positions()));
  for (std::size_t w = 0; w < nll.size(); ++w) {
    const std::size_t first = scorer.first_slot(w);
    const std::size_t end = scorer.first_slot(w + 1);
    for (std::size_t slot = first; slot < end; ++slot) {
      scores.positions[slot].student_nll = nll[w] / static_cast<double>(end - first);
      scores.positions[slot].counted = 1;
    }
  }
  return scores;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(eval_choices)

BOOST_AUTO_TEST_CASE(a_choice_is_the_continuation_of_its_question) {
  const ChoiceQuestions got =
      File(R"({"question": "Where?", "choices": ["here", "over there"], "answer": 1})").read();
  BOOST_TEST_REQUIRE(got.questions.size() == 1u);
  BOOST_TEST_REQUIRE(got.windows.size() == 2u);
  BOOST_TEST(got.questions[0].answer == 1u);
  BOOST_TEST((got.questions[0].lengths == std::vector<double>{4, 10}));
  const std::size_t context = tokenizer().encode("Question: Where?\nAnswer:").size();
  for (const ScoreWindow& window : got.windows) {
    BOOST_TEST(window.first == static_cast<std::int64_t>(context) - 1);
    BOOST_TEST(static_cast<std::size_t>(window.scored) == window.ids.size() - context);
  }
  const std::vector<std::int32_t>& ids = got.windows[1].ids;
  BOOST_TEST(tokenizer().decode(ids) == "Question: Where?\nAnswer: over there");
}

BOOST_AUTO_TEST_CASE(answers_are_numbers_letters_labels_or_texts) {
  const std::string two = R"({"question": "q", "choices": ["x", "y"], "answer": )";
  const std::string labelled =
      R"({"question": "q", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": )";
  const ChoiceQuestions got =
      File(two + "1}\n\n" + two + "\"B\"}\n" + two + "\"y\"}\r\n" + labelled + "\"2\"}\n" + two + "0}\n")
          .read();
  BOOST_TEST_REQUIRE(got.questions.size() == 5u);
  for (std::size_t i = 0; i < 4; ++i) BOOST_TEST(got.questions[i].answer == 1u);
  BOOST_TEST(got.questions[4].answer == 0u);
  BOOST_TEST(File(two + "1}\n" + two + "0}\n").read(1).questions.size() == 1u);
}

BOOST_AUTO_TEST_CASE(characters_and_not_bytes_are_counted) {
  const ChoiceQuestions got =
      File("{\"question\": \"q\", \"choices\": [\"\\u00e4\\u4e2d\", \"ab\"], \"answer\": 0}").read();
  BOOST_TEST((got.questions[0].lengths == std::vector<double>{2, 2}));
}

BOOST_AUTO_TEST_CASE(lines_that_are_no_questions_are_told_by_number) {
  const std::string good = R"({"question": "q", "choices": ["x", "y"], "answer": 1})";
  BOOST_TEST(has(File(good + "\nnonsense\n").refusal(), "questions.jsonl:2"));
  BOOST_TEST(has(File(R"({"choices": ["x", "y"], "answer": 1})").refusal(), "question"));
  BOOST_TEST(has(File(R"({"question": "q", "answer": 1})").refusal(), "choices"));
  BOOST_TEST(has(File(R"({"question": "q", "choices": ["x"], "answer": 0})").refusal(), "two choices"));
  BOOST_TEST(has(File(R"({"question": "q", "choices": ["x", 2], "answer": 0})").refusal(), "list of texts"));
  for (const char* answer : {"2", "-1", "\"C\"", "\"z\"", "null", "1.5"})
    BOOST_TEST(has(File(std::string(R"({"question": "q", "choices": ["x", "y"], "answer": )") + answer + "}")
                       .refusal(),
                   "none of the choices"),
               answer);
  BOOST_TEST(has(File(R"({"question": "q", "choices": ["x", "y"]})").refusal(), "none of the choices"));
  BOOST_TEST(has(File("\n").refusal(), "no questions"));
}

BOOST_AUTO_TEST_CASE(the_likeliest_choice_is_taken_also_by_character) {
  const ChoiceQuestions questions =
      File(
          "{\"question\": \"q\", \"choices\": [\"ab\", \"abcdefgh\"], \"answer\": 1}\n"
          "{\"question\": \"q\", \"choices\": [\"ab\", \"ba\"], \"answer\": 0}\n")
          .read();
  const TextScorer scorer(questions.windows);
  // The long answer is less likely, and likelier by character: 4 / 8 against 3 / 2. Equal ones: the first.
  ChoiceResult got = judge_choices(questions, scorer, scores_of(scorer, {3, 4, 5, 5}));
  BOOST_TEST_REQUIRE(got.plain.size() == 2u);
  BOOST_TEST((got.plain[0].sum == 0 && got.normalised[0].sum == 1));
  BOOST_TEST((got.plain[1].sum == 1 && got.normalised[1].sum == 1));
  BOOST_TEST((got.plain[0].count == 1 && mean_of(got.plain) == 0.5 && mean_of(got.normalised) == 1));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  got = judge_choices(questions, scorer, scores_of(scorer, {nan, 4, 5, nan}));
  BOOST_TEST((got.plain[0].sum == 0 && got.plain[1].sum == 0));  // a broken model has chosen nothing
}

BOOST_AUTO_TEST_SUITE_END()
