// Is the content of cache rows what training may rely on: ids inside the vocabulary, finite numbers,
// logits in descending order. Pure functions over bytes; shared by the importer, the reader and verify.
#pragma once

#include "src/data/schema.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace anemll {

struct RowFault {
  std::int64_t row = 0;  ///< counted from the first row of the bytes given
  std::string text;      ///< "position 3, entry 5: id 60000 is outside [0, 49152)"
};

/// How much to look at: `bounds` is what keeps kernels inside their tables and losses finite, and costs a
/// fraction of reading; `full` adds the order of the logits and the values of the mask.
enum class CheckLevel { bounds, full };

/// The first fault of whole rows of one dataset (any alignment). `vocab_size` 0: only negative ids are
/// faults.
std::optional<RowFault> find_fault(const DatasetSpec& spec, std::int64_t vocab_size,
                                   std::span<const std::byte> rows, CheckLevel level);

/// Whether a row's attention mask [L] leaves a position to learn from: one of the tokens that the first
/// `positions` positions predict is attended.
bool has_supervision(std::span<const std::uint8_t> mask, std::int64_t positions);

/// Every byte is non-zero.
bool all_set(std::span<const std::byte> mask);

}  // namespace anemll
