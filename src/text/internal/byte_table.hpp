// Byte strings to token ids: an open-addressed table over one block of memory. Immutable once filled.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace anemll::text {

/// Mixes 8 bytes at a time; only used inside one process.
inline std::uint64_t hash_bytes(std::string_view bytes) {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15U;
  std::uint64_t hash = bytes.size() * kOdd;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  const auto mix = [&](std::uint64_t word) {
    hash = (hash ^ word) * kOdd;
    hash ^= hash >> 32;
  };
  for (; left >= 8; left -= 8, at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    mix(word);
  }
  std::uint64_t tail = 0;
  for (std::size_t i = 0; i < left; ++i)
    tail |= static_cast<std::uint64_t>(static_cast<unsigned char>(at[i])) << (8 * i);
  mix(tail);
  return hash * kOdd ^ hash >> 29;
}

class ByteTable {
 public:
  explicit ByteTable(std::size_t expected) : slots_(std::bit_ceil(expected + expected / 2 + 16)) {}

  /// False if the string is there already. No more than `expected` strings.
  bool insert(std::string_view bytes, std::int32_t id) {
    Slot* const slot = const_cast<Slot*>(find_slot(bytes));
    if (slot->id >= 0) return false;
    *slot = {tag(hash_bytes(bytes)), id, static_cast<std::uint32_t>(arena_.size()),
             static_cast<std::uint32_t>(bytes.size())};
    arena_.append(bytes);
    return true;
  }
  /// -1 if it is not there.
  std::int32_t find(std::string_view bytes) const { return find_slot(bytes)->id; }
  /// Of all strings together.
  std::size_t bytes() const { return arena_.size(); }
  void reserve_bytes(std::size_t bytes) { arena_.reserve(bytes); }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    std::int32_t id = -1;
    std::uint32_t begin = 0;
    std::uint32_t size = 0;
  };
  static std::uint32_t tag(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }

  const Slot* find_slot(std::string_view bytes) const {
    const std::uint64_t hash = hash_bytes(bytes);
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = hash & mask;; i = (i + 1) & mask) {
      const Slot& slot = slots_[i];
      if (slot.id < 0) return &slot;
      if (slot.tag == tag(hash) && slot.size == bytes.size() &&
          std::memcmp(arena_.data() + slot.begin, bytes.data(), bytes.size()) == 0)
        return &slot;
    }
  }

  std::vector<Slot> slots_;
  std::string arena_;
};

}  // namespace anemll::text
