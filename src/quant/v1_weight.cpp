// The thread split of the CPU's loops, the same by tensor operations, and the rows of both.
#include "src/quant/internal/v1_weight.hpp"

#include "src/kernels/dispatch.hpp"
#include "src/kernels/grid_index_cpu.hpp"
#include "src/kernels/lut_weight_cpu.hpp"
#include "src/kernels/parallel.hpp"

#include <algorithm>
#include <cstdint>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

namespace anemll {
namespace {

using kernels::kSmallestGridScale;

// Below this a second thread costs more than it brings.
constexpr std::int64_t kElementsPerTask = 1 << 15;
// A block of rows with its scales and indices stays in a core's second-level cache.
constexpr std::int64_t kBlockElements = 1 << 16;
// Partial sums over rows: a fixed number, so that any number of threads adds in the same order.
constexpr std::int64_t kParts = 8;

kernels::LutView view(const at::Tensor& lut) {
  return {lut.const_data_ptr<float>(), lut.numel()};
}

kernels::IndexGrid grid_of(const V1Table& table) {
  return {table.lut.numel(), table.split};
}

/// The scales of some rows as they are, before the smallest is raised.
void raw_scales(const V1Scales& scales, std::int64_t row, std::int64_t rows, at::Tensor& out) {
  if (scales.full.defined())
    out.copy_(scales.full.narrow(0, row, rows));
  else
    at::mm_out(out, scales.a.narrow(0, row, rows), scales.b);
}

/// Room for a block of rows; one for each thread.
struct Scratch {
  std::int64_t rows;
  at::Tensor scale, index;

  explicit Scratch(const at::Tensor& weight)
      : rows(std::min(weight.size(0), std::max<std::int64_t>(kBlockElements / weight.size(1), 1))),
        scale(at::empty({rows, weight.size(1)}, weight.options())),
        index(at::empty({rows, weight.size(1)}, weight.options().dtype(at::kByte))) {}
};

/// Runs body(first row, rows, raw scales, indices) over blocks of [begin, end).
template <class Body>
void for_blocks(const at::Tensor& weight, const V1Scales& scales, const V1Table& table, Scratch& scratch,
                std::int64_t begin, std::int64_t end, const Body& body) {
  const std::int64_t width = weight.size(1);
  const float* weights = weight.const_data_ptr<float>();
  auto* index = scratch.index.mutable_data_ptr<std::uint8_t>();
  for (std::int64_t row = begin; row < end; row += scratch.rows) {
    const std::int64_t rows = std::min(scratch.rows, end - row);
    at::Tensor scale = scratch.scale.narrow(0, 0, rows);
    raw_scales(scales, row, rows, scale);
    kernels::grid_index(weights + row * width, scale.const_data_ptr<float>(), grid_of(table), index,
                        rows * width);
    body(row, rows, scale, index);
  }
}

/// The same over all rows on all threads, each block on its own.
template <class Body>
void for_all_blocks(const at::Tensor& weight, const V1Scales& scales, const V1Table& table,
                    const Body& body) {
  kernels::parallel_for(weight.size(0), std::max<std::int64_t>(kElementsPerTask / weight.size(1), 1),
                        [&](std::int64_t begin, std::int64_t end) {
                          const at::NoGradGuard no_grad;  // a thread-local switch
                          Scratch scratch(weight);
                          for_blocks(weight, scales, table, scratch, begin, end, body);
                        });
}

at::Tensor indices_on_cpu(const at::Tensor& weight, const V1Scales& scales, const V1Table& table) {
  const std::int64_t width = weight.size(1);
  const at::Tensor out = at::empty(weight.sizes(), weight.options().dtype(at::kByte));
  auto* indices = out.mutable_data_ptr<std::uint8_t>();
  for_all_blocks(weight, scales, table,
                 [&](std::int64_t row, std::int64_t rows, const at::Tensor&, const std::uint8_t* index) {
                   std::copy_n(index, rows * width, indices + row * width);
                 });
  return out;
}

at::Tensor weight_on_cpu(const at::Tensor& weight, const V1Scales& scales, const V1Table& table,
                         at::ScalarType dtype) {
  const std::int64_t width = weight.size(1);
  const at::Tensor out = at::empty(weight.sizes(), weight.options().dtype(dtype));
  const kernels::LutView lut = view(table.lut);
  kernels::dispatch(dtype, [&]<class T>() {
    T* values = kernels::data<T>(out);
    for_all_blocks(
        weight, scales, table,
        [&](std::int64_t row, std::int64_t rows, const at::Tensor& scale, const std::uint8_t* index) {
          const at::Tensor used = scale.clamp_min_(kSmallestGridScale);
          kernels::lut_multiply(index, lut, used.const_data_ptr<float>(), values + row * width, rows * width);
        });
  });
  return out;
}

void backward_on_cpu(const at::Tensor& weight, const V1Scales& scales, const V1Table& table,
                     const at::Tensor& dw, const V1ScaleGradients& into) {
  const std::int64_t out = weight.size(0);
  const std::int64_t width = weight.size(1);
  const kernels::LutView lut = view(table.lut);
  const at::Tensor given = dw.contiguous();
  const bool widens = given.scalar_type() != at::kFloat;
  at::Tensor db_parts;
  if (into.b.defined()) db_parts = at::zeros({kParts, scales.b.size(0), width}, scales.b.options());
  kernels::parallel_for(kParts, 1, [&](std::int64_t first, std::int64_t last) {
    const at::NoGradGuard no_grad;
    Scratch scratch(weight);
    const at::Tensor room = at::empty_like(scratch.scale);
    const at::Tensor wide = widens ? at::empty_like(scratch.scale) : at::Tensor();
    for (std::int64_t part = first; part < last; ++part) {
      for_blocks(
          weight, scales, table, scratch, out * part / kParts, out * (part + 1) / kParts,
          [&](std::int64_t row, std::int64_t rows, const at::Tensor& scale, const std::uint8_t* index) {
            at::Tensor factor = given.narrow(0, row, rows);
            if (widens) factor = wide.narrow(0, 0, rows).copy_(factor);
            const at::Tensor ds = room.narrow(0, 0, rows);
            float* values = ds.mutable_data_ptr<float>();
            kernels::lut_multiply(index, lut, factor.const_data_ptr<float>(), values, rows * width);
            kernels::zero_where_raised(scale.const_data_ptr<float>(), values, rows * width);
            if (into.a.defined()) into.a.narrow(0, row, rows).addmm_(ds, scales.b.t());
            if (db_parts.defined()) db_parts.select(0, part).addmm_(scales.a.narrow(0, row, rows).t(), ds);
            if (into.full.defined()) into.full.narrow(0, row, rows).add_(ds);
          });
    }
  });
  if (into.b.defined()) into.b.add_(db_parts.sum(0));
}

at::Tensor raw_scales(const V1Scales& scales) {
  return scales.full.defined() ? scales.full.clone() : at::mm(scales.a, scales.b);
}

/// `scale` is raised in place.
at::Tensor indices_of(const at::Tensor& weight, at::Tensor& scale, const V1Table& table) {
  const kernels::IndexGrid grid = grid_of(table);
  const at::Tensor z = weight.div(scale.clamp_min_(kSmallestGridScale)).clamp_(-1, 1);
  const auto below = static_cast<double>(grid.size / 2);
  const double steps = static_cast<double>(grid.size - 1);
  const at::Tensor position = grid.split
                                  ? at::where(z.lt(0), z.add(1).mul_(below), z.mul(below - 1).add_(below))
                                  : z.add(1).div_(2.0 / steps);
  return position.round().clamp_(0, steps).to(at::kByte);
}

/// LibTorch reads a byte tensor as a mask when it indexes, hence the widening.
at::Tensor look_up(const at::Tensor& indices, const at::Tensor& lut) {
  return at::index_select(lut, 0, indices.reshape({-1}).to(at::kInt)).view(indices.sizes());
}

}  // namespace

namespace by_operators {

at::Tensor v1_indices(const at::Tensor& weight, const V1Scales& scales, const V1Table& table) {
  at::Tensor scale = raw_scales(scales);
  return indices_of(weight, scale, table);
}

at::Tensor v1_weight(const at::Tensor& weight, const V1Scales& scales, const V1Table& table,
                     at::ScalarType dtype) {
  at::Tensor scale = raw_scales(scales);
  const at::Tensor indices = indices_of(weight, scale, table);
  return look_up(indices, table.lut).mul_(scale).to(dtype);
}

void v1_scale_backward(const at::Tensor& weight, const V1Scales& scales, const V1Table& table,
                       const at::Tensor& dw, const V1ScaleGradients& into) {
  at::Tensor scale = raw_scales(scales);
  const at::Tensor raised = scale.lt(kSmallestGridScale);
  const at::Tensor indices = indices_of(weight, scale, table);
  const at::Tensor ds = look_up(indices, table.lut).mul_(dw).masked_fill_(raised, 0);
  if (into.a.defined()) into.a.addmm_(ds, scales.b.t());
  if (into.b.defined()) into.b.addmm_(scales.a.t(), ds);
  if (into.full.defined()) into.full.add_(ds);
}

}  // namespace by_operators

namespace {

constexpr kernels::Operation<decltype(v1_indices)> kIndices(by_operators::v1_indices,
                                                            {{at::kCPU, indices_on_cpu}});
constexpr kernels::Operation<decltype(v1_weight)> kWeight(by_operators::v1_weight,
                                                          {{at::kCPU, weight_on_cpu}});
constexpr kernels::Operation<decltype(v1_scale_backward)> kBackward(by_operators::v1_scale_backward,
                                                                    {{at::kCPU, backward_on_cpu}});

}  // namespace

at::Tensor v1_indices(const at::Tensor& weight, const V1Scales& scales, const V1Table& table) {
  const at::NoGradGuard no_grad;
  return kIndices.run(kernels::common_device(weight, table.lut, scales.a, scales.b, scales.full), weight,
                      scales, table);
}

at::Tensor v1_weight(const at::Tensor& weight, const V1Scales& scales, const V1Table& table,
                     at::ScalarType dtype) {
  const at::NoGradGuard no_grad;
  return kWeight.run(kernels::common_device(weight, table.lut, scales.a, scales.b, scales.full), weight,
                     scales, table, dtype);
}

at::Tensor v1_scaled(const at::Tensor& values, const V1Scales& scales) {
  const at::NoGradGuard no_grad;
  return raw_scales(scales).clamp_min_(kSmallestGridScale).mul_(values);
}

void v1_scale_backward(const at::Tensor& weight, const V1Scales& scales, const V1Table& table,
                       const at::Tensor& dw, const V1ScaleGradients& into) {
  const at::NoGradGuard no_grad;
  kBackward.run(kernels::common_device(weight, table.lut, scales.a, scales.b, scales.full, dw), weight,
                scales, table, dw, into);
}

}  // namespace anemll
