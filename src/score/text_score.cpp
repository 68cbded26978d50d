#include "src/score/text_score.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/hash.hpp"
#include "src/model/wide_compute.hpp"

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

namespace anemll {
namespace {

constexpr const char* kStartAgain = "nothing of it was kept: run the same command again";

at::Tensor row_of(std::span<const std::int32_t> ids) {
  const std::vector<std::int64_t> wide(ids.begin(), ids.end());
  return at::tensor(at::ArrayRef<std::int64_t>(wide)).view({1, static_cast<std::int64_t>(wide.size())});
}

at::Tensor mask_of(const ScoreWindow& window, at::Device device) {
  if (window.mask.empty()) return {};
  return at::tensor(at::ArrayRef<std::uint8_t>(window.mask), at::kByte).unsqueeze(0).to(device);
}

/// Hidden states [scored, H] of the positions that count.
at::Tensor scored_hidden(Decoder& model, const ScoreWindow& window) {
  const at::Device device = model.norms().front().tensor.device();
  return model.hidden(row_of(window.ids), mask_of(window, device))
      .squeeze(0)
      .narrow(0, window.first, window.scored);
}

/// The tokens that came, [scored].
at::Tensor next_tokens(const ScoreWindow& window) {
  return row_of(window.ids).squeeze(0).narrow(0, window.first + 1, window.scored);
}

void leave_out_masked(const ScoreWindow& window, std::span<PositionScore> scores) {
  if (window.mask.empty()) return;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (window.mask[static_cast<std::size_t>(window.first) + i + 1] == 0) scores[i] = {};
  }
}

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
  Sha256 hash;
  hash.update(std::to_string(protocol.context) + "\n");
  const auto used =
      std::span<const std::int32_t>(ids).first(static_cast<std::size_t>(count * protocol.context));
  hash.update(std::as_bytes(used));
  digest_ = hash.finish_hex();
  take(cut_windows(used, {WindowKind::halves, protocol.context}));
}

TextScorer::TextScorer(std::vector<ScoreWindow> windows) {
  Sha256 hash;
  for (const ScoreWindow& window : windows) {
    const auto length = static_cast<std::int64_t>(window.ids.size());
    if (window.first < 0 || window.scored < 1 || window.first + window.scored >= length ||
        (!window.mask.empty() && window.mask.size() != window.ids.size()))
      throw_usage("a window scores positions that it has not", "text score", "");
    hash.update(strf("%lld %lld %lld\n", static_cast<long long>(length), static_cast<long long>(window.first),
                     static_cast<long long>(window.scored)));
    hash.update(std::as_bytes(std::span<const std::int32_t>(window.ids)));
    hash.update(std::as_bytes(std::span<const std::uint8_t>(window.mask)));
  }
  digest_ = hash.finish_hex();
  take(std::move(windows));
}

void TextScorer::take(std::vector<ScoreWindow> windows) {
  windows_ = std::move(windows);
  for (const ScoreWindow& window : windows_)
    slots_.push_back(slots_.back() + static_cast<std::size_t>(window.scored));
}

std::int64_t TextScorer::tokens() const {
  std::int64_t all = 0;
  for (const ScoreWindow& window : windows_) all += static_cast<std::int64_t>(window.ids.size());
  return all;
}

/// body(window) for this rank's windows: those that all ranks take in one round are one range. A signal to
/// any of them ends all.
template <class Body>
void TextScorer::for_windows(Communicator& comm, const Body& body) const {
  const auto size = static_cast<std::size_t>(comm.size());
  for (std::size_t first = 0; first < windows_.size(); first += size) {
    leave_together(comm, "scoring the evaluation text", kStartAgain);
    const std::size_t mine = first + static_cast<std::size_t>(comm.rank());
    if (mine < windows_.size()) body(mine);
    if (progress_) progress_(static_cast<std::int64_t>(std::min(first + size, windows_.size())));
  }
}

void TextScorer::run_teacher(Decoder& teacher, Communicator& comm) {
  const at::NoGradGuard no_grad;
  const WideCompute wide(teacher);
  std::vector<at::Tensor> hidden(windows_.size());
  for_windows(comm, [&](std::size_t w) { hidden[w] = scored_hidden(teacher, windows_[w]).clone(); });
  teacher_hidden_ = std::move(hidden);
}

/// score_states(window, hidden states, slots) for this rank's windows; slots of all ranks are then put
/// together.
template <class ScoreWindowStates>
TextScores TextScorer::run(Decoder& model, Communicator& comm, const ScoreWindowStates& score_states) const {
  using Clock = std::chrono::steady_clock;
  const at::NoGradGuard no_grad;
  const WideCompute wide(model);
  TextScores out;
  out.positions.resize(slots_.back());
  const std::span<PositionScore> all(out.positions);
  for_windows(comm, [&](std::size_t w) {
    const Clock::time_point start = Clock::now();
    const at::Tensor hidden = scored_hidden(model, windows_[w]);
    if (!hidden.device().is_cpu()) hidden.view(-1)[0].item<float>();  // work on a GPU is done when it is read
    out.seconds += std::chrono::duration<double>(Clock::now() - start).count();
    const std::span<PositionScore> slots = all.subspan(slots_[w], slots_[w + 1] - slots_[w]);
    score_states(w, hidden, slots);
    leave_out_masked(windows_[w], slots);
  });
  share_scores(all, comm);
  comm.all_reduce(std::span<double>(&out.seconds, 1), ReduceOp::max);
  return out;
}

TextScores TextScorer::score_each(Decoder& student, const at::Tensor& student_head,
                                  const at::Tensor& teacher_head, Communicator& comm) const {
  if (!has_teacher()) throw_usage("no teacher has run on this text", "text score", "call run_teacher first");
  return run(student, comm, [&](std::size_t w, const at::Tensor& hidden, std::span<PositionScore> slots) {
    score_positions({teacher_hidden_[w], teacher_head}, {hidden, student_head}, next_tokens(windows_[w]),
                    slots);
  });
}

DivergenceSummary TextScorer::score(Decoder& student, const at::Tensor& student_head,
                                    const at::Tensor& teacher_head, Communicator& comm) const {
  return summarise(score_each(student, student_head, teacher_head, comm).positions);
}

TextScores TextScorer::likelihoods(Decoder& model, const at::Tensor& head, Communicator& comm) const {
  return run(model, comm, [&](std::size_t w, const at::Tensor& hidden, std::span<PositionScore> slots) {
    score_likelihoods({hidden, head}, next_tokens(windows_[w]), slots);
  });
}

}  // namespace anemll
