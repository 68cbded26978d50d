// Least squares for the factors where columns do not see each other: systems of r unknowns for each row and
// each column.
#include "src/kernels/code_feedback_cpu.hpp"
#include "src/kernels/parallel.hpp"
#include "src/kernels/product.hpp"
#include "src/solve/internal/cholesky.hpp"
#include "src/solve/internal/rows.hpp"

#include <algorithm>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/zeros.h>

namespace anemll {
namespace {

using Index = std::int64_t;

constexpr Index kColumnsPerTask = 64;
// Of the mean diagonal of a system, whose entries are sums of floats.
constexpr double kRidge = 1e-6;

}  // namespace

void fit_a_even(Rows& rows, const at::Tensor& weight) {
  const at::Tensor columns = rows.now.b.t().contiguous();
  const at::Tensor pairs = packed_squares(columns);
  const at::Tensor h = weight.unsqueeze(1);
  rows.pool.for_units([&](Index u) {
    const at::Tensor scale = rows.scales(u);
    const at::Tensor q = rows.entries(u);
    at::Tensor a = rows.now.a.select(0, u);
    const at::Tensor right = kernels::mm(rows.error(u).mul_(q).mul_(h).t(), columns);
    const SmallSystems systems(kernels::mm(q.square().mul_(h).t(), pairs), rows.rank(), kRidge);
    const at::Tensor step = systems.solve(right);
    const at::Tensor made = kernels::mm(rows.now.b.t(), a.add(step).t());
    a.add_(step.mul_(allowed_share(scale, made, rows.limit.select(0, u), 0).unsqueeze(1)));
  });
}

at::Tensor column_systems(const Rows& rows) {
  const Index units = rows.pool.units();
  const Index packed = packed_size(rows.rank());
  const at::Tensor pairs =
      packed_squares(rows.now.a.reshape({-1, rows.rank()})).view({units, kUnitRows, packed});
  const at::Tensor squares = at::empty_like(rows.target);
  rows.pool.for_units(
      [&](Index u) { squares.select(0, u).copy_(rows.entries(u).square_().mul_(rows.counts.select(0, u))); });
  // What all parts together are at most, the same on all ranks.
  const auto largest = [&](const at::Tensor& x) {
    return rows.pool.max_ranks(x.numel() == 0 ? 0.0 : x.max().item().toDouble());
  };
  const double bound = largest(pairs.abs()) * largest(rows.counts) *
                       rows.now.lut.abs().max().square().item().toDouble() *
                       static_cast<double>(rows.pool.rows() + kUnitRows);
  const double grid = RowPool::grid_of(bound);
  at::Tensor total = at::zeros({rows.in(), packed}, at::kDouble);
  const Index tasks = (rows.in() + kColumnsPerTask - 1) / kColumnsPerTask;
  kernels::parallel_for(tasks, 1, [&](Index begin, Index end) {
    const at::NoGradGuard no_grad;
    for (Index task = begin; task < end; ++task) {
      const Index first = task * kColumnsPerTask;
      const Index count = std::min(kColumnsPerTask, rows.in() - first);
      auto* to = total.mutable_data_ptr<double>() + first * packed;
      for (Index u = 0; u < units; ++u) {
        const at::Tensor part = kernels::mm(squares.select(0, u).narrow(0, first, count), pairs.select(0, u));
        kernels::add_on_grid(part.const_data_ptr<float>(), grid, to, part.numel());
      }
    }
  });
  rows.pool.sum_ranks(total);
  return total;
}

void fit_b_even(Rows& rows) {
  const Index units = rows.pool.units();
  const at::Tensor parts = at::empty({units, rows.in(), rows.rank()}, at::kFloat);
  rows.pool.for_units([&](Index u) {
    parts.select(0, u).copy_(kernels::mm(rows.error(u).mul_(rows.entries(u)).mul_(rows.counts.select(0, u)),
                                         rows.now.a.select(0, u)));
  });
  const at::Tensor right = rows.pool.sum(parts);
  const at::Tensor step =
      SmallSystems(column_systems(rows), rows.rank(), kRidge).solve(right).t().to(at::kFloat).contiguous();
  rows.now.b = rows.now.b.add(step.mul_(column_shares(rows, rows.now.b.add(step))));
}

at::Tensor column_shares(const Rows& rows, const at::Tensor& b) {
  const at::Tensor shares = at::full({rows.pool.units() + 1, rows.in()}, 1.0, at::kFloat);
  rows.pool.for_units([&](Index u) {
    const at::Tensor made = kernels::mm(b.t(), rows.now.a.select(0, u).t());
    shares.select(0, u).copy_(allowed_share(rows.scales(u), made, rows.limit.select(0, u), 1));
  });
  at::Tensor least = shares.amin(0).neg_().to(at::kDouble);
  rows.pool.max_ranks(least);
  return least.neg_().to(at::kFloat);
}

}  // namespace anemll
