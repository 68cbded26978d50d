#include "src/eval/choices.hpp"

#include "anemll/core/error.hpp"
#include "src/core/content_kind.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <sstream>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using Json = nlohmann::json;

/// One line of the file.
struct Record {
  std::string question;
  std::vector<std::string> choices;
  std::size_t answer = 0;
};

constexpr const char* kForm = R"(a line is {"question": "...", "choices": ["...", "..."], "answer": 0})";

std::vector<std::string> texts_of(const Json& list, const std::string& what, const std::string& where) {
  std::vector<std::string> texts;
  if (list.is_array()) {
    for (const Json& text : list) {
      if (!text.is_string() || text.get_ref<const std::string&>().empty()) break;
      texts.push_back(text.get<std::string>());
    }
  }
  if (!list.is_array() || texts.size() != list.size())
    throw_data(what + " is not a list of texts", where, kForm);
  return texts;
}

std::optional<std::size_t> place_of(const std::vector<std::string>& texts, const std::string& text) {
  const auto found = std::find(texts.begin(), texts.end(), text);
  if (found == texts.end()) return std::nullopt;
  return static_cast<std::size_t>(found - texts.begin());
}

/// The number of the choice that `answer` means.
std::optional<std::size_t> answer_of(const Json& answer, const std::vector<std::string>& choices,
                                     const std::vector<std::string>& labels) {
  if (answer.is_number_integer()) {
    const auto number = answer.get<std::int64_t>();
    if (number < 0 || number >= static_cast<std::int64_t>(choices.size())) return std::nullopt;
    return static_cast<std::size_t>(number);
  }
  if (!answer.is_string()) return std::nullopt;
  const std::string text = answer.get<std::string>();
  if (const auto label = place_of(labels, text)) return label;
  if (const auto choice = place_of(choices, text)) return choice;
  if (!labels.empty() || text.size() != 1 || text[0] < 'A') return std::nullopt;
  const auto letter = static_cast<std::size_t>(text[0] - 'A');
  return letter < choices.size() ? std::optional(letter) : std::nullopt;
}

Record parse_line(const std::string& line, const std::string& where) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw_data("is no JSON object", where, kForm);
  Record record;
  const auto question = json.find("question");
  if (question == json.end() || !question->is_string()) throw_data("has no text \"question\"", where, kForm);
  record.question = question->get<std::string>();
  const auto choices = json.find("choices");
  if (choices == json.end()) throw_data("has no \"choices\"", where, kForm);
  std::vector<std::string> labels;
  if (choices->is_object()) {
    record.choices = texts_of(choices->value("text", Json()), "\"choices\": \"text\"", where);
    labels = texts_of(choices->value("label", Json()), "\"choices\": \"label\"", where);
    if (labels.size() != record.choices.size()) throw_data("has not as many labels as choices", where, kForm);
  } else {
    record.choices = texts_of(*choices, "\"choices\"", where);
  }
  if (record.choices.size() < 2) throw_data("has fewer than two choices", where, kForm);
  const auto answer = json.find(json.contains("answer") ? "answer" : "answerKey");
  const auto found = answer == json.end() ? std::nullopt : answer_of(*answer, record.choices, labels);
  if (!found) throw_data("\"answer\" is none of the choices", where, kForm);
  record.answer = *found;
  return record;
}

/// Bytes that begin a character of UTF-8.
double characters(const std::string& text) {
  return static_cast<double>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

void add(ChoiceQuestions& to, const Record& record, const Tokenizer& tokenizer) {
  const std::vector<std::int32_t> context = tokenizer.encode("Question: " + record.question + "\nAnswer:");
  ChoiceQuestions::Question question;
  question.answer = record.answer;
  for (const std::string& choice : record.choices) {
    ScoreWindow window;
    window.ids = context;
    tokenizer.encode(" " + choice, window.ids);
    window.first = static_cast<std::int64_t>(context.size()) - 1;
    window.scored = static_cast<std::int64_t>(window.ids.size() - context.size());
    question.lengths.push_back(characters(choice));
    to.windows.push_back(std::move(window));
  }
  to.questions.push_back(std::move(question));
}

ChunkSum right_if(bool right) {
  return {right ? 1.0 : 0.0, 1.0};
}

}  // namespace

ChoiceQuestions read_choices(const std::string& file, const Tokenizer& tokenizer, std::int64_t limit) {
  ChoiceQuestions questions;
  std::istringstream lines(read_input_text(file));
  std::string line;
  for (std::int64_t number = 1; std::getline(lines, line); ++number) {
    if (limit > 0 && static_cast<std::int64_t>(questions.questions.size()) == limit) break;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string where = file + ":" + std::to_string(number);
    add(questions, parse_line(line, where), tokenizer);
  }
  if (questions.questions.empty()) throw_data("the file has no questions", file, kForm);
  return questions;
}

ChoiceResult judge_choices(const ChoiceQuestions& questions, const TextScorer& scorer,
                           const TextScores& scores) {
  ChoiceResult result;
  std::size_t window = 0;
  for (const ChoiceQuestions::Question& question : questions.questions) {
    std::vector<double> plain, normalised;
    for (const double length : question.lengths) {
      double likelihood = 0;
      for (std::size_t slot = scorer.first_slot(window); slot < scorer.first_slot(window + 1); ++slot)
        likelihood -= scores.positions[slot].student_nll;
      plain.push_back(likelihood);
      normalised.push_back(likelihood / length);
      ++window;
    }
    const auto is_right = [&](const std::vector<double>& values) {
      // A model that gives NaN has chosen nothing.
      const bool finite = std::none_of(values.begin(), values.end(), [](double v) { return v != v; });
      const auto best = std::max_element(values.begin(), values.end()) - values.begin();
      return finite && static_cast<std::size_t>(best) == question.answer;
    };
    result.plain.push_back(right_if(is_right(plain)));
    result.normalised.push_back(right_if(is_right(normalised)));
  }
  return result;
}

}  // namespace anemll
