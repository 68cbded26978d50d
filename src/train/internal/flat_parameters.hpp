// The trained tensors as views of one flat fp32 buffer, with a second one for their gradients: one range
// to reduce, clip, update and save. Frozen tensors are not in it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

class FlatParameters {
 public:
  struct Item {
    std::string name;         ///< state-dict key, "model.layers.0.self_attn.q_proj.scale_A"
    at::Tensor* slot;         ///< where the model keeps the tensor; receives the view, null from then on
    std::int64_t offset = 0;  ///< filled by the constructor
    std::int64_t numel = 0;
    std::vector<std::int64_t> shape = {};
  };

  /// Moves the present values of `*item.slot` into the buffer and replaces each by a leaf view of it that
  /// requires a gradient and whose .grad is the matching view of gradients(). Items keep their order.
  explicit FlatParameters(std::vector<Item> items);

  const std::vector<Item>& items() const { return items_; }
  std::vector<std::int64_t> sizes() const;
  at::Tensor& values() { return values_; }        ///< [n] fp32
  at::Tensor& gradients() { return gradients_; }  ///< [n] fp32
  std::int64_t numel() const { return values_.numel(); }
  void zero_gradients() { gradients_.zero_(); }

 private:
  std::vector<Item> items_;
  at::Tensor values_;
  at::Tensor gradients_;
};

}  // namespace anemll
