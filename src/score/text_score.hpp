// The divergence of two models on plain text: the text's tokens in disjoint chunks, each chunk a context of
// its own, its second half scored. A teacher runs once; what it said is kept for every later student.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "src/model/decoder.hpp"
#include "src/score/divergence.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

struct TextProtocol {
  std::int64_t context = 512;  ///< tokens of a chunk; positions context / 2 .. context - 2 are scored
  std::int64_t chunks = 4;     ///< from the text's start; 0: all that the text fills
};

class TextScorer {
 public:
  /// `ids`: the whole text; `where` names it in messages. A data error when it is too short for the protocol,
  /// a usage error for a protocol that scores nothing.
  TextScorer(const std::vector<std::int32_t>& ids, const TextProtocol& protocol, const std::string& where);

  std::int64_t chunks() const { return static_cast<std::int64_t>(chunks_.size()); }
  std::int64_t positions() const { return chunks() * scored_; }  ///< over all ranks
  /// SHA-256 of the scored ids and the protocol: equal when two scores are comparable.
  const std::string& digest() const { return digest_; }

  /// Chunks c, c + size, ... of this rank through the teacher in fp32; keeps its hidden states. A signal
  /// between chunks is StopError on all ranks, here and in score(). Collective.
  void run_teacher(Decoder& teacher, Communicator& comm);
  bool has_teacher() const { return !teacher_hidden_.empty(); }
  /// The student's fp32 forward against the kept states. Every chunk is a forward of its own, so the result
  /// does not depend on the number of ranks. Collective; all ranks get the same.
  DivergenceSummary score(Decoder& student, const at::Tensor& student_head, const at::Tensor& teacher_head,
                          Communicator& comm) const;

 private:
  template <class Body>
  void for_chunks(Communicator& comm, const Body& body) const;
  at::Tensor scored_hidden(Decoder& model, const at::Tensor& chunk) const;

  std::vector<at::Tensor> chunks_;  // [1, context] int64 each
  std::int64_t first_ = 0;          // scored positions of a chunk
  std::int64_t scored_ = 0;
  std::string digest_;
  std::vector<at::Tensor> teacher_hidden_;  // [scored, H] for this rank's chunks, else undefined
};

}  // namespace anemll
