// The look-ups by tensor operations and by the CPU's kernels, whose thread split is here, and the rows of
// both.
#include "src/quant/internal/lut_weight.hpp"

#include "src/kernels/dispatch.hpp"
#include "src/kernels/lut_weight_cpu.hpp"
#include "src/kernels/parallel.hpp"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>

namespace anemll {
namespace {

// Below this a second thread costs more than it brings.
constexpr std::int64_t kElementsPerTask = 1 << 15;

kernels::LutView view(const at::Tensor& lut) {
  return {lut.const_data_ptr<float>(), lut.numel()};
}

/// LibTorch reads a byte tensor as a mask when it indexes, hence the widening.
at::Tensor look_up(const at::Tensor& indices, const at::Tensor& lut) {
  return at::index_select(lut, 0, indices.reshape({-1}).to(at::kInt)).view(indices.sizes());
}

// A block of rows and its products stay in a core's second-level cache.
constexpr std::int64_t kBlockElements = 1 << 16;
// Partial sums over the rows of a matrix: a fixed number, so that any number of threads adds in the same
// order.
constexpr std::int64_t kParts = 8;

/// Runs body(first row, rows) over blocks of [begin, end).
template <class Body>
void for_blocks(std::int64_t begin, std::int64_t end, std::int64_t width, const Body& body) {
  const std::int64_t rows = std::max<std::int64_t>(kBlockElements / width, 1);
  for (std::int64_t row = begin; row < end; row += rows) body(row, std::min(rows, end - row));
}

std::int64_t block_rows(std::int64_t out, std::int64_t width) {
  return std::min(out, std::max<std::int64_t>(kBlockElements / width, 1));
}

template <class Out>
void scaled_rows(const at::Tensor& indices, const at::Tensor& lut, const at::Tensor& a, const at::Tensor& b,
                 Out* out) {
  const std::int64_t width = indices.size(1);
  const auto* index = indices.const_data_ptr<std::uint8_t>();
  const kernels::LutView table = view(lut);
  kernels::parallel_for(
      indices.size(0), std::max<std::int64_t>(kElementsPerTask / width, 1),
      [&](std::int64_t begin, std::int64_t end) {
        const at::NoGradGuard no_grad;  // a thread-local switch
        const at::Tensor scratch = at::empty({block_rows(end - begin, width), width}, b.options());
        for_blocks(begin, end, width, [&](std::int64_t row, std::int64_t rows) {
          at::Tensor scale = scratch.narrow(0, 0, rows);
          at::mm_out(scale, a.narrow(0, row, rows), b);
          kernels::lut_multiply(index + row * width, table, scale.const_data_ptr<float>(), out + row * width,
                                rows * width);
        });
      });
}

void backward_rows(const at::Tensor& indices, const at::Tensor& lut, const at::Tensor& a, const at::Tensor& b,
                   const float* dw, const at::Tensor& da, const at::Tensor& db_parts) {
  const std::int64_t out = indices.size(0);
  const std::int64_t width = indices.size(1);
  const auto* index = indices.const_data_ptr<std::uint8_t>();
  const kernels::LutView table = view(lut);
  const at::Tensor b_t = b.t();
  kernels::parallel_for(kParts, 1, [&](std::int64_t first, std::int64_t last) {
    const at::NoGradGuard no_grad;
    const at::Tensor scratch = at::empty({block_rows(out, width), width}, b.options());
    for (std::int64_t part = first; part < last; ++part) {
      at::Tensor db = db_parts.defined() ? db_parts.select(0, part).zero_() : at::Tensor();
      for_blocks(out * part / kParts, out * (part + 1) / kParts, width,
                 [&](std::int64_t row, std::int64_t rows) {
                   const at::Tensor ds = scratch.narrow(0, 0, rows);
                   kernels::lut_multiply(index + row * width, table, dw + row * width,
                                         ds.mutable_data_ptr<float>(), rows * width);
                   if (da.defined()) {
                     at::Tensor target = da.narrow(0, row, rows);
                     at::mm_out(target, ds, b_t);
                   }
                   if (db.defined()) db.addmm_(a.narrow(0, row, rows).t(), ds);
                 });
    }
  });
}

/// The same for a bf16 dW, with bf16 products: they round dA and dB no more than dW itself is rounded, at
/// twice the rate. A part is one block here, so that nothing is summed in bf16.
void backward_rows(const at::Tensor& indices, const at::Tensor& lut, const at::Tensor& a, const at::Tensor& b,
                   const kernels::Bf16* dw, const at::Tensor& da, const at::Tensor& db_parts) {
  const std::int64_t out = indices.size(0);
  const std::int64_t width = indices.size(1);
  const auto* index = indices.const_data_ptr<std::uint8_t>();
  const kernels::LutView table = view(lut);
  const at::Tensor a_half = a.to(at::kBFloat16);
  const at::Tensor b_half_t = b.to(at::kBFloat16).t();
  kernels::parallel_for(kParts, 1, [&](std::int64_t first, std::int64_t last) {
    const at::NoGradGuard no_grad;
    const at::Tensor scratch = at::empty({out / kParts + 1, width}, a_half.options());
    for (std::int64_t part = first; part < last; ++part) {
      const std::int64_t row = out * part / kParts;
      const std::int64_t rows = out * (part + 1) / kParts - row;
      if (rows == 0) {
        if (db_parts.defined()) db_parts.select(0, part).zero_();
        continue;
      }
      const at::Tensor ds = scratch.narrow(0, 0, rows);
      kernels::lut_multiply(index + row * width, table, dw + row * width, kernels::data<kernels::Bf16>(ds),
                            rows * width);
      if (da.defined()) da.narrow(0, row, rows).copy_(at::mm(ds, b_half_t));
      if (db_parts.defined()) db_parts.select(0, part).copy_(at::mm(a_half.narrow(0, row, rows).t(), ds));
    }
  });
}

template <class Out>
void gather(const at::Tensor& indices, const at::Tensor& lut, Out* out) {
  const auto* index = indices.const_data_ptr<std::uint8_t>();
  const kernels::LutView table = view(lut);
  kernels::parallel_for(indices.numel(), kElementsPerTask, [&](std::int64_t begin, std::int64_t end) {
    kernels::lut_gather(index + begin, table, out + begin, end - begin);
  });
}

at::Tensor values_on_cpu(const at::Tensor& indices, const at::Tensor& lut, at::ScalarType dtype) {
  at::Tensor out = at::empty(indices.sizes(), indices.options().dtype(dtype));
  kernels::dispatch(dtype, [&]<class T>() { gather(indices, lut, kernels::data<T>(out)); });
  return out;
}

at::Tensor scaled_on_cpu(const at::Tensor& indices, const at::Tensor& lut, const at::Tensor& a,
                         const at::Tensor& b, at::ScalarType dtype) {
  at::Tensor out = at::empty(indices.sizes(), indices.options().dtype(dtype));
  kernels::dispatch(dtype, [&]<class T>() { scaled_rows(indices, lut, a, b, kernels::data<T>(out)); });
  return out;
}

FactorGradients backward_on_cpu(const at::Tensor& indices, const at::Tensor& lut, const at::Tensor& a,
                                const at::Tensor& b, const at::Tensor& dw, bool need_a, bool need_b) {
  FactorGradients gradients;
  if (need_a) gradients.a = at::empty(a.sizes(), a.options());
  at::Tensor parts;
  if (need_b) parts = at::empty({kParts, b.size(0), b.size(1)}, b.options());
  const at::Tensor dense = dw.contiguous();
  kernels::dispatch(dense.scalar_type(), [&]<class T>() {
    backward_rows(indices, lut, a, b, kernels::data<const T>(dense), gradients.a, parts);
  });
  if (need_b) gradients.b = parts.sum(0);
  return gradients;
}

}  // namespace

namespace by_operators {

at::Tensor lut_values(const at::Tensor& indices, const at::Tensor& lut, at::ScalarType dtype) {
  return look_up(indices, lut).to(dtype);
}

at::Tensor lut_scaled(const at::Tensor& indices, const at::Tensor& lut, const at::Tensor& a,
                      const at::Tensor& b, at::ScalarType dtype) {
  at::Tensor out = at::empty(indices.sizes(), indices.options().dtype(dtype));
  return at::mul_out(out, look_up(indices, lut), at::mm(a, b));  // in fp32, rounded once as it is stored
}

FactorGradients lut_scaled_backward(const at::Tensor& indices, const at::Tensor& lut, const at::Tensor& a,
                                    const at::Tensor& b, const at::Tensor& dw, bool need_a, bool need_b) {
  FactorGradients gradients;
  const at::Tensor ds = look_up(indices, lut).mul_(dw);
  if (need_a) gradients.a = at::mm(ds, b.t());
  if (need_b) gradients.b = at::mm(a.t(), ds);
  return gradients;
}

}  // namespace by_operators

namespace {

constexpr kernels::Operation<decltype(lut_values)> kValues(by_operators::lut_values,
                                                           {{at::kCPU, values_on_cpu}});
constexpr kernels::Operation<decltype(lut_scaled)> kScaled(by_operators::lut_scaled,
                                                           {{at::kCPU, scaled_on_cpu}});
constexpr kernels::Operation<decltype(lut_scaled_backward)> kBackward(by_operators::lut_scaled_backward,
                                                                      {{at::kCPU, backward_on_cpu}});

}  // namespace

at::Tensor lut_values(const at::Tensor& indices, const at::Tensor& lut, at::ScalarType dtype) {
  const at::NoGradGuard no_grad;
  return kValues.run(kernels::common_device(indices, lut), indices, lut, dtype);
}

at::Tensor lut_scaled(const at::Tensor& indices, const at::Tensor& lut, const at::Tensor& a,
                      const at::Tensor& b, at::ScalarType dtype) {
  const at::NoGradGuard no_grad;
  return kScaled.run(kernels::common_device(indices, lut, a, b), indices, lut, a, b, dtype);
}

FactorGradients lut_scaled_backward(const at::Tensor& indices, const at::Tensor& lut, const at::Tensor& a,
                                    const at::Tensor& b, const at::Tensor& dw, bool need_a, bool need_b) {
  const at::NoGradGuard no_grad;
  return kBackward.run(kernels::common_device(indices, lut, a, b, dw), indices, lut, a, b, dw, need_a,
                       need_b);
}

}  // namespace anemll
