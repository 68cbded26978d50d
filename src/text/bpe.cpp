#include "src/text/internal/bpe.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>

namespace anemll::text {
namespace {

constexpr std::uint64_t kNoKey = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kNoNode = std::numeric_limits<std::uint32_t>::max();
// Up to this many symbols a scan for the best pair beats a heap.
constexpr std::size_t kShort = 48;

std::uint64_t key_of(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

}  // namespace

MergeTable::MergeTable(std::size_t expected)
    : slots_(std::bit_ceil(expected + expected / 2 + 16), Slot{kNoKey, {}}),
      shift_(64 - std::countr_zero(slots_.size())) {}

std::size_t MergeTable::slot_of(std::uint64_t key) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t i = static_cast<std::size_t>((key * 0x9e3779b97f4a7c15U) >> shift_);
  while (slots_[i].key != key && slots_[i].key != kNoKey) i = (i + 1) & mask;
  return i;
}

void MergeTable::insert(std::int32_t left, std::int32_t right, Merge merge) {
  slots_[slot_of(key_of(left, right))] = {key_of(left, right), merge};
}

const Merge* MergeTable::find(std::int32_t left, std::int32_t right) const {
  const Slot& slot = slots_[slot_of(key_of(left, right))];
  return slot.key == kNoKey ? nullptr : &slot.merge;
}

void BpeScratch::merge(const MergeTable& table, std::span<const std::int32_t> in,
                       std::vector<std::int32_t>& ids) {
  if (in.size() < 2) {
    ids.insert(ids.end(), in.begin(), in.end());
  } else if (in.size() <= kShort) {
    merge_short(table, in, ids);
  } else {
    merge_long(table, in, ids);
  }
}

void BpeScratch::merge_short(const MergeTable& table, std::span<const std::int32_t> in,
                             std::vector<std::int32_t>& ids) {
  std::int32_t symbol[kShort];
  Merge pair[kShort];
  std::size_t count = in.size();
  std::copy(in.begin(), in.end(), symbol);
  const auto look_up = [&](std::size_t i) {
    const Merge* const found = table.find(symbol[i], symbol[i + 1]);
    pair[i] = found == nullptr ? Merge{kNoRank, 0} : *found;
  };
  for (std::size_t i = 0; i + 1 < count; ++i) look_up(i);
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (pair[i].rank < pair[best].rank) best = i;
    }
    if (pair[best].rank == kNoRank) break;
    symbol[best] = pair[best].id;
    std::copy(symbol + best + 2, symbol + count, symbol + best + 1);
    std::copy(pair + best + 1, pair + count - 1, pair + best);
    --count;
    if (best > 0) look_up(best - 1);
    if (best + 1 < count) look_up(best);
  }
  ids.insert(ids.end(), symbol, symbol + count);
}

void BpeScratch::merge_long(const MergeTable& table, std::span<const std::int32_t> in,
                            std::vector<std::int32_t>& ids) {
  const auto count = static_cast<std::uint32_t>(in.size());
  nodes_.resize(count);
  queue_.clear();
  for (std::uint32_t i = 0; i < count; ++i)
    nodes_[i] = {in[i], i == 0 ? kNoNode : i - 1, i + 1 == count ? kNoNode : i + 1, kNoRank, 0};
  const auto look_up = [&](std::uint32_t i) {
    Node& node = nodes_[i];
    node.rank = kNoRank;
    if (node.next == kNoNode) return false;
    const Merge* const found = table.find(node.id, nodes_[node.next].id);
    if (found == nullptr) return false;
    node.rank = found->rank;
    node.merged = found->id;
    queue_.push_back(static_cast<std::uint64_t>(found->rank) << 32 | i);
    return true;
  };
  for (std::uint32_t i = 0; i < count; ++i) look_up(i);
  std::make_heap(queue_.begin(), queue_.end(), std::greater<>());
  while (!queue_.empty()) {
    std::pop_heap(queue_.begin(), queue_.end(), std::greater<>());
    const std::uint64_t top = queue_.back();
    queue_.pop_back();
    const auto at = static_cast<std::uint32_t>(top);
    Node& node = nodes_[at];
    // An entry whose pair has gone since names a rank that its position no longer has.
    if (node.rank != static_cast<std::uint32_t>(top >> 32)) continue;
    Node& gone = nodes_[node.next];
    node.id = node.merged;
    node.next = gone.next;
    gone.rank = kNoRank;
    if (node.next != kNoNode) nodes_[node.next].previous = at;
    if (look_up(at)) std::push_heap(queue_.begin(), queue_.end(), std::greater<>());
    if (node.previous != kNoNode && look_up(node.previous))
      std::push_heap(queue_.begin(), queue_.end(), std::greater<>());
  }
  for (std::uint32_t i = 0; i != kNoNode; i = nodes_[i].next) ids.push_back(nodes_[i].id);
}

}  // namespace anemll::text
