// Pieces of a text that models are run on, and which of their positions count: the three ways in which
// likelihoods of a text are taken.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace anemll {

/// One forward pass. A position says how likely the token behind it is.
struct ScoreWindow {
  std::vector<std::int32_t> ids;
  std::int64_t first = 0;          ///< the positions first .. first + scored - 1 count
  std::int64_t scored = 0;         ///< first + scored < ids
  std::vector<std::uint8_t> mask;  ///< by token, 1 where it is attended to; empty: all are. A position whose
                                   ///< next token has a 0 does not count
};

enum class WindowKind {
  halves,   ///< disjoint windows of `context` tokens, of each the positions context / 2 .. context - 2
  sliding,  ///< as the reference: a window ends every `stride` tokens and scores what no earlier one did
  batched,  ///< as the reference's batches: disjoint windows, of each every position with a next token
};

struct WindowProtocol {
  WindowKind kind = WindowKind::halves;
  std::int64_t context = 512;  ///< tokens of a window at most, 4 or more
  std::int64_t stride = 0;     ///< of sliding windows, 1 to context; 0: half of the context
};

/// The windows of a text. Of disjoint ones, what is left at its end is dropped; a text that is shorter than
/// one is a shorter window. No window for a text in which no position would count.
std::vector<ScoreWindow> cut_windows(std::span<const std::int32_t> ids, const WindowProtocol& protocol);

}  // namespace anemll
