// The pickle of a state dict: one plain dictionary from names to tensors, without memo opcodes.
#pragma once

#include "anemll/core/tensor.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace anemll::formats {

/// `keys[i]` is the storage number of tensor i; tensors with the same number share one storage.
std::string state_dict_pickle(std::span<const LazyTensor> tensors, std::span<const std::size_t> keys);

}  // namespace anemll::formats
