#include "src/start/internal/trajectory.hpp"

#include <utility>
#include <vector>

#include <ATen/core/grad_mode.h>

namespace anemll {
Trajectory::Trajectory(Decoder& decoder, const at::Tensor& ids, const at::Tensor& mask,
                       std::vector<std::int64_t> rows)
    : decoder_(decoder), mask_(mask), rows_(std::move(rows)), length_(ids.size(1)) {
  const at::NoGradGuard no_grad;
  streams_.reserve(rows_.size());
  for (const std::int64_t row : rows_) streams_.push_back(decoder_.embed(ids.narrow(0, row, 1)).hidden);
}

AttentionState Trajectory::state(std::size_t i) {
  return decoder_.begin(length_, mask_.defined() ? mask_.narrow(0, rows_[i], 1) : at::Tensor());
}

at::Tensor Trajectory::behind(std::size_t block, std::size_t i) {
  const at::NoGradGuard no_grad;
  const Stream stream = decoder_.block(block, {streams_[i], {}}, state(i));
  return stream.hidden.add(stream.delta);
}

void Trajectory::enter(std::size_t block) {
  const at::NoGradGuard no_grad;
  between_.resize(streams_.size());
  for (std::size_t i = 0; i < streams_.size(); ++i)
    between_[i] = decoder_.enter(block, {std::exchange(streams_[i], {}), {}});
}

void Trajectory::step(std::size_t block, InputGroup group) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < between_.size(); ++i)
    between_[i] = decoder_.step(block, group, between_[i], state(i));
}

at::Tensor Trajectory::left(std::size_t i) const {
  const at::NoGradGuard no_grad;
  return between_[i].hidden.add(between_[i].input);
}

void Trajectory::move(std::size_t i, at::Tensor behind) {
  streams_[i] = std::move(behind);
  if (!between_.empty()) between_[i] = {};
}

}  // namespace anemll
