#include "src/inspect/token_rows.hpp"

#include "anemll/core/error.hpp"
#include "src/distill/batch_tensors.hpp"

#include <algorithm>
#include <cstddef>

#include <ATen/ops/empty.h>

namespace anemll {

TokenRows token_rows(const KdBatch& batch) {
  const BatchTensors tensors = to_tensors(batch, at::kCPU);
  return {tensors.input_ids, tensors.mask};
}

TokenRows token_rows(std::span<const std::int32_t> ids, std::int64_t rows, std::int64_t length,
                     std::int64_t vocab_size, const std::string& where) {
  const auto total = static_cast<std::int64_t>(ids.size());
  if (total == 0) throw_data("the text has no tokens", where, "give a file with some text");
  const std::int64_t width = std::min(length, total);
  const std::int64_t count = std::min(rows, total / width);
  const at::Tensor tensor = at::empty({count, width}, at::kLong);
  auto* out = tensor.data_ptr<std::int64_t>();
  for (const std::int32_t id : ids.first(static_cast<std::size_t>(count * width))) {
    if (id >= vocab_size) {
      throw_data("the tokenizer gives the id " + std::to_string(id) + ", and the model has " +
                     std::to_string(vocab_size),
                 where, "the tokenizer files are of another model");
    }
    *out++ = id;
  }
  return {tensor, {}};
}

}  // namespace anemll
