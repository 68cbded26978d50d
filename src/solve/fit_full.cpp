// Least squares with all of H. Rows of A do not see each other, so each has conjugate gradients of its own; B
// is one system, pooled over rows, and so is the table.
#include "src/kernels/code_feedback_cpu.hpp"
#include "src/kernels/product.hpp"
#include "src/solve/internal/cholesky.hpp"
#include "src/solve/internal/rows.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

namespace anemll {
namespace {

using Index = std::int64_t;

constexpr int kMostIterationsOfA = 10;
constexpr double kRidge = 1e-6;          // of systems of a few unknowns, in mean diagonals
constexpr double kTiny = 1e-30;          // no entry of the table has less to count
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

void fit_a(Rows& rows, double enough) {
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
    const at::Tensor least = left.mul(enough);
    at::Tensor step = at::zeros_like(residual);
    for (int i = 0; i < kMostIterationsOfA; ++i) {
      const at::Tensor made = gradient(kernels::mm(columns, direction.t()).mul_(q));
      const at::Tensor length = ratio(left, row_dots(direction, made));
      step.add_(direction.mul(length));
      residual = residual.sub(made.mul(length));
      z = systems.solve(residual);
      const at::Tensor next = row_dots(residual, z);
      if (next.le(least).all().item<bool>()) break;
      direction = z.add(direction.mul(ratio(next, left)));
      left = next;
    }
    at::Tensor a = rows.now.a.select(0, u);
    const at::Tensor made = kernels::mm(columns, a.add(step).t());
    a.add_(step.mul_(allowed_share(rows.scales(u), made, rows.limit.select(0, u), 0).unsqueeze(1)));
  });
}

void fit_b(Rows& rows, int iterations, double share) {
  const double before = output_error(rows).with_ridge;
  const SmallSystems systems(column_systems(rows).mul_(rows.moments.diagonal.unsqueeze(1)), rows.rank(),
                             kRidge);
  at::Tensor residual = pooled(rows, [&](Index u, const at::Tensor&) { return rows.error(u); });
  at::Tensor z = systems.solve(residual);
  at::Tensor direction = z.clone();
  at::Tensor step = at::zeros_like(residual);  // [in, r], as all of these
  double left = ordered_dot(residual, z);
  double gained = 0;  // what the steps so far lowered the error by
  for (int i = 0; i < iterations && left > 0; ++i) {
    const at::Tensor along = direction.to(at::kFloat);
    const at::Tensor made = pooled(rows, [&](Index u, const at::Tensor& q) {
      return kernels::mm(along, rows.now.a.select(0, u).t()).mul_(q);
    });
    const double curvature = ordered_dot(direction, made);
    if (!(curvature > 0)) break;
    const double length = left / curvature;
    step.add_(direction, length);
    gained += length * left;
    if (length * left < share * gained) break;
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
  for (const at::Tensor& part : {shares, shares.min().expand_as(shares)}) {
    rows.now.b = start.add(way.mul(part));
    if (output_error(rows).with_ridge <= before) return;
  }
  rows.now.b = start;
}

void fit_lut(Rows& rows, int iterations) {
  const Index n = rows.now.lut.numel();
  // Of each entry the gradient of what make(u, scales) gives, and its own square by the diagonal of H: [2,
  // n].
  const auto pulls = [&](const auto& make) {
    const at::Tensor parts = at::zeros({rows.pool.units(), 2, n}, at::kDouble);
    rows.pool.for_units([&](Index u) {
      const at::Tensor scale = rows.scales(u);
      const at::Tensor counts = rows.counts.select(0, u);
      const auto add = [&](const at::Tensor& pull, Index to) {
        kernels::add_by_code(rows.now.code.select(0, u).const_data_ptr<std::uint8_t>(),
                             scale.const_data_ptr<float>(), pull.const_data_ptr<float>(),
                             parts.select(0, u).select(0, to).mutable_data_ptr<double>(), scale.numel());
      };
      add(rows.weighed(make(u, scale)).mul_(counts), 0);
      add(scale.mul(rows.moments.diagonal.unsqueeze(1)).mul_(counts), 1);
    });
    return rows.pool.sum(parts);
  };
  const at::Tensor first = pulls([&](Index u, const at::Tensor&) { return rows.error(u); });
  const at::Tensor inverse = first[1].clamp_min(kTiny).reciprocal();
  at::Tensor residual = first[0].clone();
  at::Tensor z = residual.mul(inverse);
  at::Tensor direction = z.clone();
  at::Tensor step = at::zeros_like(residual);
  double left = ordered_dot(residual, z);
  for (int i = 0; i < iterations && left > 0; ++i) {
    const at::Tensor along = direction.to(at::kFloat);
    const at::Tensor made = pulls([&](Index u, const at::Tensor& scale) {
      at::Tensor weight = at::empty_like(scale);
      kernels::lut_multiply(rows.now.code.select(0, u).const_data_ptr<std::uint8_t>(),
                            {along.const_data_ptr<float>(), n}, scale.const_data_ptr<float>(),
                            weight.mutable_data_ptr<float>(), scale.numel());
      return weight;
    })[0];
    const double curvature = ordered_dot(direction, made);
    if (!(curvature > 0)) break;
    const double length = left / curvature;
    step.add_(direction, length);
    residual.sub_(made, length);
    z = residual.mul(inverse);
    const double next = ordered_dot(residual, z);
    direction = z.add(direction, next / left);
    left = next;
  }
  const at::Tensor old = rows.now.lut.to(at::kDouble);
  // The entries keep their order and a distance.
  const at::Tensor gaps = old.diff();
  const at::Tensor made = old.add(step).diff();
  const at::Tensor least = old.abs().max().mul(kLeastGap).expand_as(gaps).contiguous();
  const double share = allowed_share(gaps, made, least, 0).item<double>();
  rows.now.lut = old.add(step, share).to(at::kFloat);
}

}  // namespace anemll
