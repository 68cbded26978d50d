// Least squares with all of H. Rows of A do not see each other, so each has conjugate gradients of its own; B
// is one system, pooled over rows; the table has few unknowns and is solved as it is.
#include "src/kernels/code_feedback_cpu.hpp"
#include "src/kernels/product.hpp"
#include "src/solve/internal/cholesky.hpp"
#include "src/solve/internal/rows.hpp"

#include <algorithm>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

namespace anemll {
namespace {

using Index = std::int64_t;

constexpr int kMostIterationsOfA = 10;
constexpr double kEnough = 1e-5;         // of the first residual, squared: rows are solved to 0.3%
constexpr double kRidge = 1e-6;          // of systems of a few unknowns, in mean diagonals
constexpr double kLeastGap = 1.0 / 256;  // between table entries, of the largest: halves still differ there

at::Tensor row_dots(const at::Tensor& x, const at::Tensor& y) {
  return x.mul(y).sum(1, true);
}

/// top / bottom, 0 where there is nothing to divide.
at::Tensor ratio(const at::Tensor& top, const at::Tensor& bottom) {
  return at::where(bottom.gt(0), top.div(bottom), at::zeros_like(top));
}

/// In the order of the entries, whatever the threads.
double ordered_dot(const at::Tensor& x, const at::Tensor& y) {
  const double* a = x.const_data_ptr<double>();
  const double* b = y.const_data_ptr<double>();
  double sum = 0;
  for (Index i = 0; i < x.numel(); ++i) sum += a[i] * b[i];
  return sum;
}

/// Pooled gradient for B^T: sum over rows of (pull(u) o lut[code] o weight of the row) a, double [in, r].
template <class Pull>
at::Tensor pooled(const Rows& rows, const Pull& pull) {
  const at::Tensor parts = at::empty({rows.pool.units(), rows.in(), rows.rank()}, at::kFloat);
  rows.pool.for_units([&](Index u) {
    const at::Tensor q = rows.entries(u);
    const at::Tensor pulled = rows.weighed(pull(u, q)).mul_(q).mul_(rows.counts.select(0, u));
    parts.select(0, u).copy_(kernels::mm(pulled, rows.now.a.select(0, u)));
  });
  return rows.pool.sum(parts);
}

}  // namespace

void fit_a(Rows& rows) {
  const at::Tensor columns = rows.now.b.t().contiguous();
  const at::Tensor pairs = packed_squares(columns).mul_(rows.moments.diagonal.unsqueeze(1));
  rows.pool.for_units([&](Index u) {
    const at::Tensor q = rows.entries(u);
    const auto gradient = [&](const at::Tensor& e) {
      return kernels::mm(rows.weighed(e).mul_(q).t(), columns);
    };
    const SmallSystems systems(kernels::mm(q.square().t(), pairs), rows.rank(), kRidge);
    at::Tensor residual = gradient(rows.error(u));
    at::Tensor z = systems.solve(residual);
    at::Tensor direction = z.clone();
    at::Tensor left = row_dots(residual, z);
    const at::Tensor enough = left.mul(kEnough);
    at::Tensor step = at::zeros_like(residual);
    for (int i = 0; i < kMostIterationsOfA; ++i) {
      const at::Tensor made = gradient(kernels::mm(columns, direction.t()).mul_(q));
      const at::Tensor length = ratio(left, row_dots(direction, made));
      step.add_(direction.mul(length));
      residual = residual.sub(made.mul(length));
      z = systems.solve(residual);
      const at::Tensor next = row_dots(residual, z);
      if (next.le(enough).all().item<bool>()) break;
      direction = z.add(direction.mul(ratio(next, left)));
      left = next;
    }
    at::Tensor a = rows.now.a.select(0, u);
    const at::Tensor made = kernels::mm(columns, a.add(step).t());
    a.add_(step.mul_(allowed_share(rows.scales(u), made, rows.limit.select(0, u), 0).unsqueeze(1)));
  });
}

void fit_b(Rows& rows, int iterations) {
  const double before = output_error(rows).with_ridge;
  const SmallSystems systems(column_systems(rows).mul_(rows.moments.diagonal.unsqueeze(1)), rows.rank(),
                             kRidge);
  at::Tensor residual = pooled(rows, [&](Index u, const at::Tensor&) { return rows.error(u); });
  at::Tensor z = systems.solve(residual);
  at::Tensor direction = z.clone();
  at::Tensor step = at::zeros_like(residual);  // [in, r], as all of these
  double left = ordered_dot(residual, z);
  for (int i = 0; i < iterations && left > 0; ++i) {
    const at::Tensor along = direction.to(at::kFloat);
    const at::Tensor made = pooled(rows, [&](Index u, const at::Tensor& q) {
      return kernels::mm(along, rows.now.a.select(0, u).t()).mul_(q);
    });
    const double curvature = ordered_dot(direction, made);
    if (!(curvature > 0)) break;
    const double length = left / curvature;
    step.add_(direction, length);
    residual.sub_(made, length);
    z = systems.solve(residual);
    const double next = ordered_dot(residual, z);
    direction = z.add(direction, next / left);
    left = next;
  }
  const at::Tensor start = rows.now.b;
  const at::Tensor way = step.t().to(at::kFloat).contiguous();
  const at::Tensor shares = column_shares(rows, start.add(way));
  // Where a limit cuts the way of some columns the others are no longer the best. Then all go as far as the
  // first may: on that straight line the error falls.
  for (const at::Tensor& share : {shares, shares.min().expand_as(shares)}) {
    rows.now.b = start.add(way.mul(share));
    if (output_error(rows).with_ridge <= before) return;
  }
  rows.now.b = start;
}

void fit_lut(Rows& rows) {
  const Index n = rows.now.lut.numel();
  // Row k: what entry k pulls at each entry; the last row: what the error pulls.
  const at::Tensor parts = at::zeros({rows.pool.units(), n + 1, n}, at::kDouble);
  rows.pool.for_units([&](Index u) {
    const at::Tensor scale = rows.scales(u);
    const at::Tensor code = rows.now.code.select(0, u);
    const at::Tensor counts = rows.counts.select(0, u);
    at::Tensor alone = at::empty_like(scale);
    for (Index k = 0; k <= n; ++k) {
      if (k < n) {
        const at::Tensor one = at::zeros({n}, at::kFloat);
        one[k] = 1;
        kernels::lut_multiply(code.const_data_ptr<std::uint8_t>(), {one.const_data_ptr<float>(), n},
                              scale.const_data_ptr<float>(), alone.mutable_data_ptr<float>(), scale.numel());
      } else {
        alone = rows.error(u);
      }
      const at::Tensor pulled = rows.weighed(alone).mul_(counts);
      kernels::add_by_code(code.const_data_ptr<std::uint8_t>(), scale.const_data_ptr<float>(),
                           pulled.const_data_ptr<float>(),
                           parts.select(0, u).select(0, k).mutable_data_ptr<double>(), scale.numel());
    }
  });
  const at::Tensor sums = rows.pool.sum(parts);
  std::vector<double> packed;
  for (Index i = 0; i < n; ++i) {
    for (Index j = i; j < n; ++j)
      packed.push_back(0.5 * (sums[i][j].item<double>() + sums[j][i].item<double>()));
  }
  const SmallSystems system(at::tensor(packed, at::kDouble).unsqueeze(0), n, kRidge);
  const at::Tensor old = rows.now.lut.to(at::kDouble);
  const at::Tensor step = system.solve(sums[n].unsqueeze(0)).squeeze(0);
  // The entries keep their order and a distance.
  const at::Tensor gaps = old.diff();
  const at::Tensor made = old.add(step).diff();
  const at::Tensor least = old.abs().max().mul(kLeastGap).expand_as(gaps).contiguous();
  const double share = allowed_share(gaps, made, least, 0).item<double>();
  rows.now.lut = old.add(step, share).to(at::kFloat);
}

}  // namespace anemll
