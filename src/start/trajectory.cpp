#include "src/start/internal/trajectory.hpp"

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <ATen/core/grad_mode.h>

namespace anemll {
namespace {

/// Ends a block at one of its linears: everything behind it would be computed for nothing.
struct Reached {
  at::Tensor input;
};

class End final : public Linear {
 public:
  at::Tensor forward(const at::Tensor& x) override { throw Reached{x}; }
};

/// The linears of a group replaced for a while.
class Replaced {
 public:
  explicit Replaced(std::span<Decoder::Slot> slots) : slots_(slots) {
    for (Decoder::Slot& slot : slots_) {
      own_.push_back(std::move(slot.linear));
      slot.linear = std::make_unique<End>();
    }
  }
  ~Replaced() {
    for (std::size_t i = 0; i < own_.size(); ++i) slots_[i].linear = std::move(own_[i]);
  }
  Replaced(const Replaced&) = delete;
  Replaced& operator=(const Replaced&) = delete;

 private:
  std::span<Decoder::Slot> slots_;
  std::vector<std::unique_ptr<Linear>> own_;
};

}  // namespace

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

Stream Trajectory::run(std::size_t block, std::size_t i) {
  const at::NoGradGuard no_grad;
  return decoder_.block(block, {streams_[i], {}}, state(i));
}

at::Tensor Trajectory::behind(std::size_t block, std::size_t i) {
  const Stream stream = run(block, i);
  return stream.hidden.add(stream.delta);
}

at::Tensor Trajectory::input_of(std::size_t block, const LinearGroup& group, std::size_t i) {
  const std::span<Decoder::Slot> slots(decoder_.slots());
  const Replaced replaced(slots.subspan(block * kLayerLinears + group.first, group.count));
  try {
    run(block, i);
  } catch (const Reached& reached) {
    return reached.input.flatten(0, 1);
  }
  return {};  // every linear of a block is asked
}

}  // namespace anemll
