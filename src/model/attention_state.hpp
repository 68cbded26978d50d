// What the layers of one pass share besides the stream: where the tokens stand, what they may see, and the
// keys and values of earlier positions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

/// Keys and values of the positions that passes have gone through, per layer. For passes without gradients.
class KvCache {
 public:
  struct Entry {
    at::Tensor keys, values;  ///< [B, positions, kv_heads, dim], rotated keys
  };

  /// Room for `capacity` positions in each of `layers` layers; the memory is taken at the first append.
  KvCache(std::int64_t layers, std::int64_t capacity);

  /// The rows of several caches, in one. They have the same layers, length and capacity.
  static KvCache joined(const std::vector<KvCache>& parts);
  /// Keeps these rows alone, in this order.
  void keep_rows(const std::vector<std::int64_t>& rows);

  std::int64_t capacity() const { return capacity_; }
  /// Positions that every layer has.
  std::int64_t length() const;

  /// Stores `keys` and `values` [B, L, kv_heads, dim] of the positions from `first` on, in place of what is
  /// there, and returns those of positions 0 .. first + L - 1. Usage errors: no room, a gap before `first`,
  /// another number of rows than before, gradients.
  Entry append(std::size_t layer, std::int64_t first, const at::Tensor& keys, const at::Tensor& values);

 private:
  struct Layer {
    Entry entry;  // of `capacity_` positions
    std::int64_t length = 0;
  };
  std::int64_t capacity_;
  std::vector<Layer> layers_;
};

/// Of one pass of `length` tokens a row. Made by Decoder::begin; copies share their tensors.
struct AttentionState {
  struct Rotation {
    at::Tensor cosine, sine;  ///< of the pass's positions, [length, dim / 2]
  };
  std::int64_t first_position = 0;  ///< of the first token, in every row
  std::int64_t length = 0;
  KvCache* cache = nullptr;  ///< with positions 0 .. first_position - 1; null: the pass sees only itself
  std::vector<at::Tensor> allowed;  ///< one for each kind of window in the model; undefined: plain causal
  std::vector<Rotation> rotations;  ///< one for each kind of rope
};

}  // namespace anemll
