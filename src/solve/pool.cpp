#include "src/solve/internal/pool.hpp"

#include "anemll/core/error.hpp"
#include "src/kernels/code_feedback_cpu.hpp"
#include "src/kernels/parallel.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

namespace anemll {
namespace {

using Index = std::int64_t;

constexpr Index kEntriesPerTask = 1 << 12;

std::span<double> values_of(at::Tensor& x) {
  return {x.mutable_data_ptr<double>(), static_cast<std::size_t>(x.numel())};
}

Index first_unit(Index units, int rank, int ranks) {
  return units * rank / ranks;
}

}  // namespace

RowPool::RowPool(std::int64_t rows, Communicator& comm)
    : rows_(rows),
      all_units_((rows + kUnitRows - 1) / kUnitRows),
      first_(first_unit(all_units_, comm.rank(), comm.size())),
      count_(first_unit(all_units_, comm.rank() + 1, comm.size()) - first_),
      comm_(comm) {}

std::int64_t RowPool::own_rows() const {
  return std::max<Index>(0, std::min(rows_, (first_ + count_) * kUnitRows) - first_row());
}

void RowPool::for_units(const std::function<void(std::int64_t)>& body) const {
  kernels::parallel_for(count_, 1, [&](Index begin, Index end) {
    const at::NoGradGuard no_grad;  // a thread-local switch
    for (Index u = begin; u < end; ++u) body(u);
  });
}

double RowPool::grid_of(double bound) {
  const double step = std::ldexp(1.0, std::ilogb(std::max(bound, 1e-250)) + 2 - 51);
  return std::ldexp(1.5, 52) * step;
}

double RowPool::max_ranks(double mine) const {
  comm_.all_reduce(std::span<double>(&mine, 1), ReduceOp::max);
  return mine;
}

void RowPool::max_ranks(at::Tensor& values) const {
  comm_.all_reduce(values_of(values), ReduceOp::max);
}

void RowPool::sum_ranks(at::Tensor& values) const {
  comm_.all_reduce(values_of(values), ReduceOp::sum);
}

at::Tensor RowPool::sum(const at::Tensor& parts) const {
  double largest = parts.numel() == 0 ? 0 : parts.abs().max().item().toDouble();
  if (!(largest <= std::numeric_limits<double>::max())) largest = std::numeric_limits<double>::infinity();
  largest = max_ranks(largest);
  if (std::isinf(largest))
    throw_numerics(
        "a sum over the rows of a weight is not finite", "start of a linear",
        "weight or moments are too large for floats, or not numbers: anemll_inspect check names such "
        "weights");
  const double grid = grid_of(largest * static_cast<double>(all_units_));
  at::Tensor total = at::zeros(parts.sizes().slice(1), at::kDouble);
  const at::Tensor given = parts.contiguous();
  const Index entries = total.numel();
  auto* to = total.mutable_data_ptr<double>();
  kernels::parallel_for(entries, kEntriesPerTask, [&](Index begin, Index end) {
    for (Index u = 0; u < given.size(0); ++u) {
      if (given.scalar_type() == at::kFloat) {
        kernels::add_on_grid(given.const_data_ptr<float>() + u * entries + begin, grid, to + begin,
                             end - begin);
      } else {
        const double* from = given.const_data_ptr<double>() + u * entries;
        for (Index i = begin; i < end; ++i) to[i] += (from[i] + grid) - grid;
      }
    }
  });
  sum_ranks(total);
  return total;
}

at::Tensor RowPool::gather(const at::Tensor& mine) const {
  const Index most = (all_units_ + comm_.size() - 1) / comm_.size() * kUnitRows;
  std::vector<Index> shape = mine.sizes().vec();
  shape[0] = most;
  const at::Tensor sent = at::zeros(shape, mine.options());
  sent.narrow(0, 0, mine.size(0)).copy_(mine);
  shape.insert(shape.begin(), comm_.size());
  const at::Tensor all = at::empty(shape, mine.options());
  const std::size_t bytes = sent.nbytes();
  comm_.all_gather(
      {static_cast<const std::byte*>(sent.const_data_ptr()), bytes},
      {static_cast<std::byte*>(all.mutable_data_ptr()), bytes * static_cast<std::size_t>(comm_.size())});
  std::vector<at::Tensor> parts;
  for (int rank = 0; rank < comm_.size(); ++rank) {
    const Index units =
        first_unit(all_units_, rank + 1, comm_.size()) - first_unit(all_units_, rank, comm_.size());
    parts.push_back(all.select(0, rank).narrow(0, 0, units * kUnitRows));
  }
  return at::cat(parts, 0).narrow(0, 0, rows_).contiguous();
}

at::Tensor RowPool::take(const at::Tensor& all) const {
  const at::Tensor places = at::arange(count_ * kUnitRows, at::kLong).add_(first_row()).clamp_max_(rows_ - 1);
  std::vector<Index> shape = all.sizes().vec();
  shape[0] = kUnitRows;
  shape.insert(shape.begin(), count_);
  return all.index_select(0, places).view(shape);
}

}  // namespace anemll
