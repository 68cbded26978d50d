// Remembers where the ids of a piece stand in the output of one encode call. Keys are views of the text.
#pragma once

#include "src/text/internal/byte_table.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace anemll::text {

class PieceCache {
 public:
  struct Entry {
    const char* piece = nullptr;
    std::uint64_t hash = 0;
    std::uint32_t size = 0;
    std::uint32_t count = 0;  ///< ids
    std::size_t begin = 0;    ///< of the first id in the output
  };

  /// The entry of `piece`, or one with `piece == nullptr` that the caller may fill through `remember`.
  Entry* find(std::string_view piece) {
    if (slots_.empty()) slots_.resize(kFirstSlots);
    const std::uint64_t hash = hash_bytes(piece);
    Entry* const entry = slot(piece, hash);
    if (entry->piece == nullptr) entry->hash = hash;
    return entry;
  }
  void remember(Entry* entry, std::string_view piece, std::size_t begin, std::size_t count) {
    if (used_ * 2 >= slots_.size()) {
      if (slots_.size() == kMostSlots) return;
      const std::uint64_t hash = entry->hash;
      std::vector<Entry> old(slots_.size() * 4);
      old.swap(slots_);
      for (const Entry& kept : old) {
        if (kept.piece != nullptr) *slot({kept.piece, kept.size}, kept.hash) = kept;
      }
      entry = slot(piece, hash);
      entry->hash = hash;
    }
    ++used_;
    *entry = {piece.data(), entry->hash, static_cast<std::uint32_t>(piece.size()),
              static_cast<std::uint32_t>(count), begin};
  }

 private:
  static constexpr std::size_t kFirstSlots = 256;
  static constexpr std::size_t kMostSlots = 65536;

  Entry* slot(std::string_view piece, std::uint64_t hash) {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = hash & mask;; i = (i + 1) & mask) {
      Entry& entry = slots_[i];
      if (entry.piece == nullptr || (entry.hash == hash && entry.size == piece.size() &&
                                     std::memcmp(entry.piece, piece.data(), piece.size()) == 0))
        return &entry;
    }
  }

  std::vector<Entry> slots_;
  std::size_t used_ = 0;
};

}  // namespace anemll::text
