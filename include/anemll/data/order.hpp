// The order of training samples as a pure function: nothing to save but one integer, and any rank can
// ask for any batch at any time.
#pragma once

#include "anemll/core/choices.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace anemll {

enum class OrderKind { shuffle, sequential };

inline constexpr auto kOrderKinds = std::to_array<Choice<OrderKind>>({
    {OrderKind::shuffle, "shuffle"},
    {OrderKind::sequential, "sequential"},
});
constexpr std::span<const Choice<OrderKind>> choices_of(OrderKind) {
  return kOrderKinds;
}

class SampleOrder {
 public:
  /// `count` samples, `batch_size` = global sequences of one micro-step.
  SampleOrder(std::int64_t count, std::int64_t batch_size, OrderKind kind, std::uint64_t seed);

  std::int64_t batches_per_epoch() const;  ///< ceil(count / batch_size)
  /// Rows of global micro-step `step` (epoch = step / batches_per_epoch) that rank `rank` of `world` takes.
  /// All ranks get ceil(batch_size / world) rows; -1 marks padding (weight 0): past the epoch's end or past
  /// the global batch. The concatenation over ranks, without padding, is the same at every world size.
  std::vector<std::int64_t> rows(std::int64_t step, int rank, int world) const;
  /// Sample at position `index` of `epoch`, 0 <= index < count. A seeded bijection in O(1) (cycle-walking
  /// Feistel network); identity when sequential.
  std::int64_t at(std::int64_t epoch, std::int64_t index) const;

 private:
  std::int64_t count_;
  std::int64_t batch_size_;
  OrderKind kind_;
  std::uint64_t seed_;
};

}  // namespace anemll
