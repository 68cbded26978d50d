// The framing of .wandb files: LevelDB's log format with a header of their own and plain CRC-32.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace anemll {

/// What a file begins with.
std::string wandb_header();
/// The bytes that add `record` to a file of `offset` bytes: pieces that do not cross the blocks of the file.
std::string wandb_frames(std::string_view record, std::uint64_t offset);

}  // namespace anemll
