// --test: greedy answers of the trained model and of the snapped file side by side, and how far the trained
// model is from its own unquantised weights on these prompts.
#pragma once

#include "anemll/core/tensor.hpp"
#include "anemll/model/model_files.hpp"
#include "src/student/student.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <c10/core/Device.h>

namespace anemll {

struct AnswerPair {
  std::string prompt, trained, snapped;
  std::int64_t tokens = 0;              ///< of the longer one
  std::optional<std::int64_t> differs;  ///< number of the first token that differs, from 0
};

struct SnapAnswers {
  std::vector<AnswerPair> pairs;
  double divergence = 0;  ///< KL(unquantised || trained) on the prompts, nats a token, a mean
  std::vector<std::string> foreign_marks;  ///< of the chat template: the tokenizer cuts them up
};

struct AnswerOptions {
  std::int64_t tokens = 32;  ///< of an answer at most
  at::Device device = at::kCPU;
};

/// Nothing where the model has no tokenizer beside it, which is told; `required`: a data error then. `model`:
/// as it was before a checkpoint replaced tensors. The file is read as those read it who multiply plainly.
std::optional<SnapAnswers> compare_answers(const OpenModel& opened, const ModelFiles& model, Student& student,
                                           const TensorMap& written, bool required,
                                           const AnswerOptions& options);

std::string answers_text(const SnapAnswers& answers);

}  // namespace anemll
