// One layer's keys of a reference state dict: reading a tensor with all its checks, writing an entry.
#pragma once

#include "anemll/core/tensor.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

/// Data errors name the file and the key. Keeps references to its arguments.
class LayerReader {
 public:
  static constexpr const char* kSameLayer = "the tensors of one layer must come from one checkpoint";

  /// `kind` of the layer, for hints: "V2".
  LayerReader(const TensorMap& state, const std::string& name, const std::string& file, const char* kind)
      : state_(state), name_(name), file_(file), kind_(kind) {}

  std::string key(std::string_view suffix) const { return name_ + std::string(suffix); }
  const HostTensor* find(std::string_view suffix) const { return state_.find(key(suffix)); }
  const HostTensor& require(std::string_view suffix) const;

  /// A float copy with the wanted number of dimensions; every value is finite.
  at::Tensor floats(const HostTensor& tensor, std::string_view suffix, std::size_t dims) const;
  at::Tensor floats(std::string_view suffix, at::IntArrayRef shape) const;
  /// `.lut`: 2 to 256 strictly ascending values. Files for load_anemll_weights leave it out: the values of
  /// `._Q` are the table then.
  at::Tensor table() const;

  void check_shape(const HostTensor& tensor, std::string_view suffix, at::IntArrayRef shape) const;
  [[noreturn]] void fail(std::string_view suffix, const HostTensor& tensor, const std::string& hint) const;

 private:
  const TensorMap& state_;
  const std::string& name_;
  const std::string& file_;
  const char* kind_;
};

/// The different values of a stored `._Q`, ascending; none where it holds more than 256 or no numbers.
std::vector<float> values_of_q(const HostTensor& q);

/// `value` is called when the entry is written, and its result is moved to the CPU.
LazyTensor lazy_entry(std::string key, DType dtype, std::vector<std::int64_t> shape,
                      std::function<at::Tensor()> value);
LazyTensor floats_entry(std::string key, const at::Tensor& tensor);

}  // namespace anemll
