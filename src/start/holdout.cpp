#include "src/start/internal/holdout.hpp"

#include "src/model/decoder.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace anemll {
namespace {

/// Every sequence whole, each position of which has a next token but the last.
std::vector<ScoreWindow> windows_of(const at::Tensor& ids, const at::Tensor& mask) {
  std::vector<ScoreWindow> windows;
  if (!ids.defined()) return windows;
  for (std::int64_t row = 0; row < ids.size(0); ++row) {
    ScoreWindow window;
    const at::Tensor tokens = ids.select(0, row).to(at::kInt).contiguous();
    window.ids.assign(tokens.const_data_ptr<std::int32_t>(),
                      tokens.const_data_ptr<std::int32_t>() + tokens.numel());
    window.scored = tokens.numel() - 1;
    if (mask.defined()) {
      const at::Tensor attended = mask.select(0, row).to(at::kByte).contiguous();
      window.mask.assign(attended.const_data_ptr<std::uint8_t>(),
                         attended.const_data_ptr<std::uint8_t>() + attended.numel());
    }
    windows.push_back(std::move(window));
  }
  return windows;
}

}  // namespace

Holdout::Holdout(const ModelFiles& teacher, const at::Tensor& ids, const at::Tensor& mask, at::Device device,
                 Communicator& comm) {
  std::vector<ScoreWindow> windows = windows_of(ids, mask);
  if (windows.empty()) return;
  scorer_.emplace(std::move(windows));
  Decoder decoder(teacher, device, /*dense=*/true);
  scorer_->run_teacher(decoder, comm);
}

DivergenceSummary Holdout::score(Student& student, Communicator& comm) const {
  student.set_evaluation();
  const at::Tensor head = student.decoder().head_weight(at::kFloat);
  return scorer_->score(student.decoder(), head, head, comm);
}

}  // namespace anemll
