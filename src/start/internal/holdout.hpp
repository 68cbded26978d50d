// Sequences that nothing is fitted to, and how far a student's answers on them are from the teacher's.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/model/model_files.hpp"
#include "src/score/text_score.hpp"
#include "src/student/student.hpp"

#include <optional>

#include <ATen/core/Tensor.h>

namespace anemll {

class Holdout {
 public:
  /// `ids` [M, L] int64, `mask` [M, L] uint8 or undefined; no sequence is none. Runs the teacher, whose
  /// weights are not kept. Collective.
  Holdout(const ModelFiles& teacher, const at::Tensor& ids, const at::Tensor& mask, at::Device device,
          Communicator& comm);

  bool empty() const { return !scorer_; }
  /// KL(teacher || student) over the whole vocabulary at every position with a next token. Collective.
  DivergenceSummary score(Student& student, Communicator& comm) const;

 private:
  std::optional<TextScorer> scorer_;
};

}  // namespace anemll
