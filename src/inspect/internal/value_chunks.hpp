// The values of a file's tensor as double, a piece at a time, so that a table of embeddings costs no copy of
// its size.
#pragma once

#include "anemll/core/tensor.hpp"
#include "src/model/torch_bridge.hpp"

#include <algorithm>
#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll {

inline constexpr std::int64_t kChunkValues = std::int64_t{1} << 20;

/// The values of a tensor in storage order of its packed form.
class ValueChunks {
 public:
  explicit ValueChunks(const HostTensor& tensor) : flat_(as_torch(tensor.packed()).reshape({-1})) {}
  std::int64_t size() const { return flat_.numel(); }
  /// [first, first + kChunkValues), cut at the end.
  at::Tensor from(std::int64_t first) const {
    return flat_.narrow(0, first, std::min(kChunkValues, size() - first)).to(at::kDouble);
  }

 private:
  at::Tensor flat_;
};

}  // namespace anemll
