// The divergence of two models on plain text, which is given as windows of token ids; each window is a
// context of its own. A teacher runs once; what it said is kept for every later student.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "src/model/decoder.hpp"
#include "src/score/divergence.hpp"
#include "src/score/windows.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

/// The protocol of evaluations in training: WindowKind::halves.
struct TextProtocol {
  std::int64_t context = 512;  ///< tokens of a chunk; positions context / 2 .. context - 2 are scored
  std::int64_t chunks = 4;     ///< from the text's start; 0: all that the text fills
};

/// What one model scored.
struct TextScores {
  std::vector<PositionScore> positions;  ///< window by window: TextScorer::first_slot
  double seconds = 0;                    ///< of the forwards without the head, of the slowest rank
};

class TextScorer {
 public:
  /// `ids`: the whole text; `where` names it in messages. A data error when it is too short for the protocol,
  /// a usage error for a protocol that scores nothing.
  TextScorer(const std::vector<std::int32_t>& ids, const TextProtocol& protocol, const std::string& where);
  /// Any windows. A usage error where one scores positions that it has not.
  explicit TextScorer(std::vector<ScoreWindow> windows);

  std::int64_t chunks() const { return static_cast<std::int64_t>(windows_.size()); }
  std::int64_t positions() const { return static_cast<std::int64_t>(slots_.back()); }  ///< over all ranks
  std::int64_t tokens() const;  ///< that a model runs over, over all ranks
  const std::vector<ScoreWindow>& windows() const { return windows_; }
  /// Where the scores of a window begin, the number of windows included.
  std::size_t first_slot(std::size_t window) const { return slots_[window]; }
  /// SHA-256 of the scored ids and the protocol: equal when two scores are comparable.
  const std::string& digest() const { return digest_; }

  /// Called with the number of windows that all ranks are through with, again in each of the runs below.
  void set_progress(std::function<void(std::int64_t)> call) { progress_ = std::move(call); }
  /// Windows c, c + size, ... of this rank through the teacher in fp32; keeps its hidden states. A signal
  /// between windows is StopError on all ranks, here and below. Collective.
  void run_teacher(Decoder& teacher, Communicator& comm);
  bool has_teacher() const { return !teacher_hidden_.empty(); }
  /// The student's fp32 forward against the kept states. Every window is a forward of its own, so the result
  /// does not depend on the number of ranks. Collective; all ranks get the same.
  DivergenceSummary score(Decoder& student, const at::Tensor& student_head, const at::Tensor& teacher_head,
                          Communicator& comm) const;
  /// The same, position by position.
  TextScores score_each(Decoder& student, const at::Tensor& student_head, const at::Tensor& teacher_head,
                        Communicator& comm) const;
  /// The likelihoods of the text alone: no teacher is needed.
  TextScores likelihoods(Decoder& model, const at::Tensor& head, Communicator& comm) const;

 private:
  template <class Body>
  void for_windows(Communicator& comm, const Body& body) const;
  template <class ScoreWindowStates>
  TextScores run(Decoder& model, Communicator& comm, const ScoreWindowStates& score_states) const;
  void take(std::vector<ScoreWindow> windows);

  std::vector<ScoreWindow> windows_;
  std::vector<std::size_t> slots_{0};  // by window, and the end of the last
  std::string digest_;
  std::function<void(std::int64_t)> progress_;
  std::vector<at::Tensor> teacher_hidden_;  // [scored, H] for this rank's windows, else undefined
};

}  // namespace anemll
