#include "src/score/text_score.hpp"

#include "anemll/core/error.hpp"
#include "src/core/hash.hpp"
#include "src/model/wide_compute.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

namespace anemll {
namespace {

constexpr const char* kStartAgain = "nothing of it was kept: run the same command again";

}  // namespace

TextScorer::TextScorer(const std::vector<std::int32_t>& ids, const TextProtocol& protocol,
                       const std::string& where) {
  if (protocol.context < 4 || protocol.chunks < 0) {
    throw_usage("a context of " + std::to_string(protocol.context) + " tokens in " +
                    std::to_string(protocol.chunks) + " chunks scores nothing",
                where, "use at least 4 tokens a chunk; 512 is usual");
  }
  const auto available = static_cast<std::int64_t>(ids.size()) / protocol.context;
  const std::int64_t count = protocol.chunks == 0 ? available : protocol.chunks;
  if (count == 0 || count > available) {
    throw_data("the text has " + std::to_string(ids.size()) + " tokens, " +
                   std::to_string(std::max<std::int64_t>(count, 1)) + " chunks of " +
                   std::to_string(protocol.context) + " need more",
               where, "give a longer text, fewer chunks or a shorter context");
  }
  first_ = protocol.context / 2;
  scored_ = protocol.context - 1 - first_;
  Sha256 hash;
  hash.update(std::to_string(protocol.context) + "\n");
  const auto used =
      std::span<const std::int32_t>(ids).first(static_cast<std::size_t>(count * protocol.context));
  hash.update(std::as_bytes(used));
  digest_ = hash.finish_hex();
  for (std::int64_t c = 0; c < count; ++c) {
    const auto part = used.subspan(static_cast<std::size_t>(c * protocol.context),
                                   static_cast<std::size_t>(protocol.context));
    const std::vector<std::int64_t> wide(part.begin(), part.end());
    chunks_.push_back(at::tensor(at::ArrayRef<std::int64_t>(wide)).view({1, protocol.context}));
  }
}

at::Tensor TextScorer::scored_hidden(Decoder& model, const at::Tensor& chunk) const {
  return model.hidden(chunk, {}).squeeze(0).narrow(0, first_, scored_);
}

/// body(chunk) for this rank's chunks: those that all ranks take in one round are one range. A signal to any
/// of them ends all.
template <class Body>
void TextScorer::for_chunks(Communicator& comm, const Body& body) const {
  const auto size = static_cast<std::size_t>(comm.size());
  for (std::size_t first = 0; first < chunks_.size(); first += size) {
    leave_together(comm, "scoring the evaluation text", kStartAgain);
    const std::size_t mine = first + static_cast<std::size_t>(comm.rank());
    if (mine < chunks_.size()) body(mine);
  }
}

void TextScorer::run_teacher(Decoder& teacher, Communicator& comm) {
  const at::NoGradGuard no_grad;
  const WideCompute wide(teacher);
  std::vector<at::Tensor> hidden(chunks_.size());
  for_chunks(comm, [&](std::size_t c) { hidden[c] = scored_hidden(teacher, chunks_[c]).clone(); });
  teacher_hidden_ = std::move(hidden);
}

DivergenceSummary TextScorer::score(Decoder& student, const at::Tensor& student_head,
                                    const at::Tensor& teacher_head, Communicator& comm) const {
  if (!has_teacher()) throw_usage("no teacher has run on this text", "text score", "call run_teacher first");
  const at::NoGradGuard no_grad;
  const WideCompute wide(student);
  std::vector<PositionScore> scores(static_cast<std::size_t>(positions()));
  const auto scored = static_cast<std::size_t>(scored_);
  for_chunks(comm, [&](std::size_t c) {
    const at::Tensor next = chunks_[c].squeeze(0).narrow(0, first_ + 1, scored_);
    score_positions({teacher_hidden_[c], teacher_head}, {scored_hidden(student, chunks_[c]), student_head},
                    next, std::span<PositionScore>(scores).subspan(c * scored, scored));
  });
  share_scores(scores, comm);
  return summarise(scores);
}

}  // namespace anemll
