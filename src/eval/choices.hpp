// Multiple-choice questions: each answer as the continuation of its question, and which the model finds
// likeliest.
#pragma once

#include "anemll/text/tokenizer.hpp"
#include "src/score/bootstrap.hpp"
#include "src/score/text_score.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace anemll {

struct ChoiceQuestions {
  struct Question {
    std::vector<double> lengths;  ///< of the choices, in characters; one window each, in this order
    std::size_t answer = 0;
  };
  std::vector<Question> questions;
  std::vector<ScoreWindow> windows;  ///< of all choices of all questions
};

/// A .jsonl file, one question a line: {"question": "...", "choices": ["...", ...], "answer": 0}. The answer
/// is the number of a choice from 0 on, its letter (A, B, ...) or its text. As the public sets have it,
/// choices may be {"text": [...], "label": [...]} and the answer "answerKey". The model reads
/// "Question: ...\nAnswer: ...". Data errors name file, line and field. `limit`: questions from the start; 0:
/// all.
ChoiceQuestions read_choices(const std::string& file, const Tokenizer& tokenizer, std::int64_t limit);

/// 1 or 0 for each question, with a count of 1.
struct ChoiceResult {
  std::vector<ChunkSum> plain;       ///< the choice of the highest likelihood is the answer
  std::vector<ChunkSum> normalised;  ///< of the highest logarithm of the likelihood by character
};
/// `scores`: those of a TextScorer over the windows. Of equal choices the first counts.
ChoiceResult judge_choices(const ChoiceQuestions& questions, const TextScorer& scorer,
                           const TextScores& scores);

}  // namespace anemll
