// Products of many tokens with a weight that is stored in another form: blocks of its rows become fp32 beside
// the product that needs them.
#pragma once

#include "src/kernels/narrow_product.hpp"
#include "src/kernels/parallel.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

namespace anemll::kernels {

/// y [m, n] = x [m, k] W^T. make(first row, rows, out [rows, k]) writes rows of W. Blocks are of a fixed
/// size, so that any number of threads computes the same.
template <class Make>
void mm_by_row_blocks(at::Tensor& y, const at::Tensor& x, const Make& make) {
  constexpr std::int64_t kRows = 64;
  const std::int64_t outputs = y.size(1);
  parallel_for((outputs + kRows - 1) / kRows, 1, [&](std::int64_t begin, std::int64_t end) {
    const at::NoGradGuard no_grad;  // a thread-local switch
    const at::Tensor scratch = at::empty({std::min(kRows, outputs), x.size(1)}, x.options());
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t row = block * kRows;
      const std::int64_t rows = std::min(kRows, outputs - row);
      at::Tensor weight = scratch.narrow(0, 0, rows);
      make(row, rows, weight);
      at::Tensor part = y.narrow(1, row, rows);
      at::mm_out(part, x, weight.t());
    }
  });
}

/// y [..., n] of x [..., k], by rows of tokens: `few` or `many` fills y [rows, n] from x [rows, k].
template <class Few, class Many>
at::Tensor product_of_tokens(const at::Tensor& x, std::int64_t outputs, const Few& few, const Many& many) {
  const at::NoGradGuard no_grad;
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = outputs;
  const at::Tensor rows = x.reshape({-1, x.size(-1)}).contiguous();
  at::Tensor y = at::empty({rows.size(0), outputs}, x.options());
  if (has_few_tokens(x))
    few(rows, y);
  else
    many(rows, y);
  return y.view(shape);
}

}  // namespace anemll::kernels
