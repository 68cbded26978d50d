// Bounds that keep a hostile file from costing more memory or time than its size justifies. Real
// checkpoints stay far below all of them (a 0.6B model has about 1500 tensors, three levels of nesting).
#pragma once

#include <cstddef>
#include <cstdint>

namespace anemll::formats {

inline constexpr std::size_t kMaxTensors = std::size_t{1} << 17;
inline constexpr std::size_t kMaxRank = 64;  ///< dimensions; PyTorch's own limit

/// Objects a pickle may create, and objects of the tree once shared parts are counted at each use.
inline constexpr std::size_t kMaxPickleNodes = std::size_t{1} << 22;
inline constexpr std::uint64_t kMaxTreeNodes = std::uint64_t{1} << 22;
/// A string counts as one more tree object for each so many bytes.
inline constexpr std::size_t kTextBytesPerNode = 64;
inline constexpr int kMaxDepth = 100;
inline constexpr std::size_t kMaxGlobalName = 256;
inline constexpr std::size_t kMaxOpenMarks = 4096;

/// A tensor may be larger than its storage (stride 0), but only up to this size.
inline constexpr std::int64_t kMaxExpandedTensorBytes = std::int64_t{1} << 28;

/// Deflated entries of one archive may grow to this plus so many times the file.
inline constexpr std::uint64_t kMaxInflatedBase = std::uint64_t{256} << 20;
inline constexpr std::uint64_t kMaxInflatedPerFileByte = 16;

/// The header limit of the safetensors library.
inline constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;

/// GGUF: metadata keys, elements of all its arrays together (a vocabulary of 150 000 tokens has half a
/// million), bytes of a key or tensor name, and the format's own number of dimensions.
inline constexpr std::uint64_t kMaxGgufKeys = std::uint64_t{1} << 16;
inline constexpr std::uint64_t kMaxGgufElements = std::uint64_t{1} << 24;
inline constexpr std::uint64_t kMaxGgufName = 65535;
inline constexpr std::uint32_t kMaxGgufRank = 4;

}  // namespace anemll::formats
