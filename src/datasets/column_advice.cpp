#include "src/datasets/internal/column_advice.hpp"

#include "src/core/one_of.hpp"
#include "src/core/shell_word.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace anemll::datasets {
namespace {

constexpr std::array<std::string_view, 4> kQuestions = {"prompt", "question", "query", "problem"};
/// Of a pair of answers the better one.
constexpr std::array<std::string_view, 6> kAnswers = {"chosen",     "response", "answer",
                                                      "completion", "output",   "solution"};

const Value* column(const Record& record, std::string_view name) {
  for (std::size_t i = 0; i < record.names.size() && i < record.fields.size(); ++i)
    if (record.names[i] == name) return &record.fields[i];
  return nullptr;
}

/// The first of the names whose column is kept by `fits`; empty for none.
template <typename List, typename Fits>
std::string first_of(const Record& record, const List& names, const Fits& fits) {
  for (const auto& name : names) {
    const Value* value = column(record, name);
    if (value != nullptr && fits(*value)) return std::string(name);
  }
  return {};
}

bool is_conversation(const Value& value) {
  return holds_turns(value) && value.items.size() > 1;
}
bool is_text(const Value& value) {
  return value.kind == Value::Kind::text;
}

}  // namespace

bool holds_turns(const Value& value) {
  return value.kind == Value::Kind::list && !value.items.empty() &&
         std::all_of(value.items.begin(), value.items.end(), [](const Value& turn) {
           return turn.kind == Value::Kind::object &&
                  (turn.find("role") != nullptr || turn.find("from") != nullptr);
         });
}

std::string turns_advice(const std::string& column) {
  return "'" + column + "' holds turns: --dataset_format sharegpt --map " +
         shell_word("conversations=" + column) + " reads them";
}

std::string advice_of_columns(const Record& record) {
  std::string turns = first_of(record, kAnswers, is_conversation);
  if (turns.empty()) turns = first_of(record, record.names, is_conversation);
  if (!turns.empty()) return turns_advice(turns);
  std::string question = first_of(record, kQuestions, holds_turns);
  std::string answer = first_of(record, kAnswers, holds_turns);
  if (!question.empty() && !answer.empty()) {
    return "the turns are in two columns; lines of JSON are joined by: python3 -c 'import json,sys; "
           "[print(json.dumps({\"messages\": r[\"" +
           question + "\"] + r[\"" + answer +
           "\"]})) for r in map(json.loads, sys.stdin)]' < OLD.jsonl > NEW.jsonl, then --dataset_format "
           "sharegpt";
  }
  question = first_of(record, kQuestions, is_text);
  answer = first_of(record, kAnswers, is_text);
  if (question.empty() || answer.empty()) return {};
  return "--dataset_format alpaca_chat --map " + shell_word("instruction=" + question) + " --map " +
         shell_word("output=" + answer) + " reads them as a question and its answer";
}

}  // namespace anemll::datasets
