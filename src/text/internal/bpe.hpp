// Byte-pair merging of one piece: lowest rank first, the leftmost first among equals. The table is immutable;
// a BpeScratch belongs to one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace anemll::text {

struct Merge {
  std::uint32_t rank = 0;
  std::int32_t id = 0;  ///< of the merged token
};

/// (left id, right id) -> merge.
class MergeTable {
 public:
  explicit MergeTable(std::size_t expected);
  /// A pair that comes again takes the later rank, as in the Python library. No more than `expected` calls.
  void insert(std::int32_t left, std::int32_t right, Merge merge);
  const Merge* find(std::int32_t left, std::int32_t right) const;

 private:
  struct Slot {
    std::uint64_t key;
    Merge merge;
  };
  std::size_t slot_of(std::uint64_t key) const;
  std::vector<Slot> slots_;
  int shift_;  // the top bits of a product are its best mixed ones
};

class BpeScratch {
 public:
  /// Merges `symbols` until no pair is in the table and appends what remains to `ids`. O(n log n).
  void merge(const MergeTable& table, std::span<const std::int32_t> symbols, std::vector<std::int32_t>& ids);
  /// Room for the symbols of a piece.
  std::vector<std::int32_t> symbols;

 private:
  void merge_short(const MergeTable& table, std::span<const std::int32_t> in, std::vector<std::int32_t>& ids);
  void merge_long(const MergeTable& table, std::span<const std::int32_t> in, std::vector<std::int32_t>& ids);

  struct Node {
    std::int32_t id;
    std::uint32_t previous, next;
    std::uint32_t rank;   // of the pair that begins here
    std::int32_t merged;  // what that pair becomes
  };
  std::vector<Node> nodes_;
  std::vector<std::uint64_t> queue_;  // min-heap of rank << 32 | position
};

}  // namespace anemll::text
