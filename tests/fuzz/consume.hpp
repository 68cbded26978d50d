// What both fuzz targets do with a reader: accept tensors or a data error, and touch every element.
#pragma once

#include "anemll/core/error.hpp"
#include "anemll/core/tensor.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace anemll::fuzz {

inline void touch(const TensorMap& tensors) {
  std::uint64_t sum = 0;
  for (const auto& entry : tensors) {
    const HostTensor& tensor = entry.second;
    if (tensor.bytes() == 0) continue;
    if (reinterpret_cast<std::uintptr_t>(tensor.data) % size_of(tensor.dtype) != 0) std::abort();
    // Expanded tensors are large without any file behind them; their last element is enough.
    const bool small = tensor.bytes() <= (std::size_t{1} << 16);
    if (small) {
      const HostTensor packed = tensor.packed();
      for (std::size_t i = 0; i < packed.bytes(); ++i) sum += std::to_integer<std::uint64_t>(packed.data[i]);
    }
    std::int64_t last = 0;
    for (std::size_t d = 0; d < tensor.shape.size(); ++d) last += (tensor.shape[d] - 1) * tensor.strides[d];
    const auto item = static_cast<std::ptrdiff_t>(size_of(tensor.dtype));
    sum += std::to_integer<std::uint64_t>(tensor.data[static_cast<std::ptrdiff_t>(last) * item + item - 1]);
  }
  volatile std::uint64_t sink = sum;
  (void)sink;
}

template <typename Read>
void expect_tensors_or_data_error(Read&& read) {
  try {
    touch(read());
  } catch (const Error& error) {
    if (error.code() != ExitCode::data || error.hint().empty()) std::abort();
  }
}

}  // namespace anemll::fuzz
