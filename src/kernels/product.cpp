// How a product is cut into blocks, the layer on top of it, and the rows that say when; see product.hpp.
#include "src/kernels/product.hpp"

#include "src/kernels/dispatch.hpp"
#include "src/kernels/parallel.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

namespace anemll::kernels {
namespace {

using Index = std::int64_t;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr Index kBlockWork = Index{1} << 22;  // multiply-adds; below this starting a block costs too much
constexpr Index kBlockLeast = 64;  // rows or columns: a narrower block repacks its operands too often

/// Rows (or columns) in a block when one of them costs `work`. A power of two of blocks shares out evenly
/// over the usual numbers of threads.
Index block_of(Index size, Index work) {
  const Index least = std::max<Index>(kBlockWork / std::max<Index>(work, 1), kBlockLeast);
  const auto blocks =
      static_cast<Index>(std::bit_floor(static_cast<std::uint64_t>(std::max<Index>(size / least, 1))));
  return (size + blocks - 1) / blocks;
}

template <class Block>
void for_blocks(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, const Block& block) {
  const Index m = out.size(0);
  const Index n = out.size(1);
  const Index k = a.size(1);
  Index rows = m;
  Index columns = n;
  (m >= n ? rows : columns) = m >= n ? block_of(m, n * k) : block_of(n, m * k);
  const Index across = (n + columns - 1) / std::max<Index>(columns, 1);
  const Index down = (m + rows - 1) / std::max<Index>(rows, 1);
  parallel_for(down * across, 1, [&](Index begin, Index end) {
    const at::NoGradGuard no_grad;  // a thread-local switch
    for (Index i = begin; i < end; ++i) {
      const Index row = i / across * rows;
      const Index column = i % across * columns;
      const Index height = std::min(rows, m - row);
      const Index width = std::min(columns, n - column);
      at::Tensor part = out.narrow(0, row, height).narrow(1, column, width);
      block(part, a.narrow(0, row, height), b.narrow(1, column, width));
    }
  });
}

bool takes_blocks(const at::Tensor& x) {
  return x.scalar_type() == at::kFloat && cores_are_shared();
}

void mm_out_in_blocks(at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  for_blocks(out, a, b, [](at::Tensor& part, const at::Tensor& rows, const at::Tensor& columns) {
    at::mm_out(part, rows, columns);
  });
}

void addmm_in_blocks(at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  for_blocks(out, a, b, [](at::Tensor& part, const at::Tensor& rows, const at::Tensor& columns) {
    part.addmm_(rows, columns);
  });
}

bool product_takes_blocks(at::Tensor& out, const at::Tensor&, const at::Tensor&) {
  return takes_blocks(out);
}

void general_mm_out(at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  at::mm_out(out, a, b);
}

void general_addmm(at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  out.addmm_(a, b);
}

struct FrozenLinear : torch::autograd::Function<FrozenLinear> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias) {
    ctx->save_for_backward({weight});
    std::vector<Index> shape = x.sizes().vec();
    shape.back() = weight.size(0);
    const at::Tensor rows = x.reshape({-1, x.size(-1)});
    at::Tensor out = at::empty({rows.size(0), weight.size(0)}, x.options());
    if (bias) {
      out.copy_(bias->expand_as(out));
      kernels::addmm_(out, rows, weight.t());
    } else {
      kernels::mm_out(out, rows, weight.t());
    }
    return out.view(shape);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const at::Tensor weight = ctx->get_saved_variables()[0];
    std::vector<Index> shape = grads[0].sizes().vec();
    shape.back() = weight.size(1);
    return {kernels::mm(grads[0].reshape({-1, grads[0].size(-1)}), weight).view(shape), {}, {}};
  }
};

at::Tensor linear_in_blocks(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return FrozenLinear::apply(x, weight, optional(bias));
}

bool linear_takes_blocks(const at::Tensor& x, const at::Tensor&, const at::Tensor&) {
  return takes_blocks(x);
}

at::Tensor general_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::linear(x, weight, optional(bias));
}

constexpr Operation<decltype(mm_out)> kMmOut(general_mm_out,
                                             {{at::kCPU, mm_out_in_blocks, product_takes_blocks}});
constexpr Operation<decltype(addmm_)> kAddmm(general_addmm,
                                             {{at::kCPU, addmm_in_blocks, product_takes_blocks}});
constexpr Operation<decltype(linear)> kLinear(general_linear,
                                              {{at::kCPU, linear_in_blocks, linear_takes_blocks}});

}  // namespace

at::Tensor mm(const at::Tensor& a, const at::Tensor& b) {
  at::Tensor out = at::empty({a.size(0), b.size(1)}, a.options());
  kernels::mm_out(out, a, b);
  return out;
}

void mm_out(at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  const at::NoGradGuard no_grad;
  kMmOut.run(common_device(out, a, b), out, a, b);
}

void addmm_(at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  const at::NoGradGuard no_grad;
  kAddmm.run(common_device(out, a, b), out, a, b);
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return kLinear.run(common_device(x, weight, bias), x, weight, bias);
}

}  // namespace anemll::kernels
