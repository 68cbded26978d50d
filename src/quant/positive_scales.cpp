#include "src/quant/positive_scales.hpp"

#include "anemll/core/error.hpp"
#include "src/quant/internal/freeze.hpp"
#include "src/quant/internal/lut_weight.hpp"
#include "src/quant/ste.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

namespace anemll {
namespace {

// Weight of a scale under the bound, in mean weights of its row. It grows, so that the first steps may pass
// through the bound.
constexpr std::array<double, 8> kPenalties = {1e0, 1e1, 1e2, 1e2, 1e3, 1e3, 1e3, 1e3};
// Of the mean diagonal: directions that nothing depends on stay where they are.
constexpr double kRidge = 1e-9;
// Half rounding of both factors moves a sum of products by this share of the sum of their magnitudes.
constexpr double kHalfShare = 1.0 / 1024;
constexpr int kSweeps = 4;
constexpr double kWorthwhile = 0.99;      // a sweep that keeps more of the error than this is the last
constexpr int kRoundings = 60;            // the bound doubles in each; a half has 40 binary orders
constexpr std::int64_t kBlock = 1 << 21;  // entries of a block of rows
constexpr std::int64_t kDense = 16;  // of so many scales one under the bound: then a plain product is faster
constexpr int kUpdates = 60;         // of non-negative factors; later ones move the error by 1e-3 of it
constexpr double kTiny = 1e-30;

/// Rows of one factor to be chosen while the other, `other` [r, m], stays. The weight of entry (i, j) is
/// row_weight[i] column_weight[j].
struct Side {
  at::Tensor target;         // W [n, m]
  at::Tensor row_weight;     // [n, 1]
  at::Tensor column_weight;  // [1, m]
  at::Tensor other;          // [r, m]
  at::Tensor direction;      // [1, r] with direction other > 0
  const at::Tensor& lut;

  Side rows(std::int64_t first, std::int64_t count) const {
    return {target.narrow(0, first, count),
            row_weight.narrow(0, first, count),
            column_weight,
            other,
            direction,
            lut};
  }
};

at::Tensor nearest(const at::Tensor& weight, const at::Tensor& scales, const at::Tensor& lut) {
  return freeze_indices(weight.to(at::kFloat), scales.clamp_min(kSmallestPositiveScale).to(at::kFloat), lut)
      .indices;
}

at::Tensor nearest_values(const at::Tensor& weight, const at::Tensor& scales, const at::Tensor& lut) {
  return lut_values(nearest(weight, scales, lut), lut, at::kFloat).to(at::kDouble);
}

/// low [n, m] times pairs [m, r r], where few entries of `low` are not zero.
at::Tensor sparse_product(const at::Tensor& low, const at::Tensor& pairs) {
  const at::Tensor places = at::nonzero(low);
  if (places.size(0) * kDense > low.numel()) return low.mm(pairs);
  const at::Tensor sums = at::zeros({low.size(0), pairs.size(1)}, low.options());
  const at::Tensor weights =
      low.flatten().index_select(0, places.select(1, 0).mul(low.size(1)).add_(places.select(1, 1)));
  const std::int64_t at_once = std::max<std::int64_t>(1, kBlock / pairs.size(1));
  for (std::int64_t first = 0; first < places.size(0); first += at_once) {
    const std::int64_t count = std::min(at_once, places.size(0) - first);
    const at::Tensor part = places.narrow(0, first, count);
    sums.index_add_(
        0, part.select(1, 0),
        pairs.index_select(0, part.select(1, 1)).mul_(weights.narrow(0, first, count).unsqueeze(1)));
  }
  return sums;
}

/// Least squares with the indices that the present rows [n, r] choose, after each step of the penalty.
std::vector<at::Tensor> solved(const Side& side, const at::Tensor& present, double bound) {
  const std::int64_t n = present.size(0), r = present.size(1), m = side.other.size(1);
  const at::Tensor columns = side.other.t().contiguous();
  const at::Tensor pairs = columns.unsqueeze(2).mul(columns.unsqueeze(1)).reshape({m, r * r});
  const at::Tensor q = nearest_values(side.target, present.mm(side.other), side.lut);
  const at::Tensor counts = q.square().mul_(side.column_weight);
  const at::Tensor mean = counts.mean(1, true).clamp_min(kTiny);
  const at::Tensor base = counts.mm(pairs);
  const at::Tensor wanted = q.mul(side.target).mul_(side.column_weight).mm(columns);
  const at::Tensor identity = at::eye(r, present.options()).reshape({1, r * r});
  at::Tensor rows = present;
  std::vector<at::Tensor> steps;
  for (const double penalty : kPenalties) {
    const at::Tensor low = rows.mm(side.other).lt(bound).to(at::kDouble).mul_(mean).mul_(penalty);
    const at::Tensor normal = base.add(sparse_product(low, pairs));
    const at::Tensor diagonal = normal.mul(identity).sum(1, true).div_(r).clamp_min_(kTiny);
    const at::Tensor missing = wanted.add(low.mul(2 * bound).mm(columns)).unsqueeze(2) -
                               normal.view({n, r, r}).bmm(rows.unsqueeze(2));
    const at::Tensor firm = normal.add(identity.mul(diagonal).mul_(kRidge)).view({n, r, r});
    rows = rows.add(at::linalg_solve(firm, missing).squeeze(2));
    steps.push_back(rows);
  }
  return steps;
}

/// The rows moved along the direction until no scale is under `bound` (a number, or [n, 1]).
at::Tensor raised(const Side& side, const at::Tensor& rows, const at::Tensor& bound) {
  const at::Tensor missing = bound.sub(rows.mm(side.other)).div_(side.direction.mm(side.other));
  return rows.add(missing.amax(1, true).clamp_min_(0).mul(side.direction));
}

/// Weighted squared error of each row, [n, 1].
at::Tensor row_errors(const Side& side, const at::Tensor& rows) {
  const at::Tensor scales = rows.mm(side.other);
  const at::Tensor q = nearest_values(side.target, scales, side.lut);
  return q.mul_(scales)
      .sub_(side.target)
      .square_()
      .mul_(side.column_weight)
      .sum(1, true)
      .mul_(side.row_weight);
}

/// Each row as it is, raised where a scale is under the bound, or the best of its steps.
at::Tensor improved(const Side& whole, const at::Tensor& present, double bound) {
  const std::int64_t per_block = std::max<std::int64_t>(1, kBlock / whole.other.size(1));
  std::vector<at::Tensor> parts;
  for (std::int64_t first = 0; first < present.size(0); first += per_block) {
    const std::int64_t count = std::min(per_block, present.size(0) - first);
    const Side side = whole.rows(first, count);
    const at::Tensor old = present.narrow(0, first, count);
    const at::Tensor limit = at::full({1, 1}, bound, old.options());
    at::Tensor best = raised(side, old, limit);
    at::Tensor least = row_errors(side, best);
    for (const at::Tensor& step : solved(side, old, bound)) {
      const at::Tensor made = raised(side, step, limit);
      const at::Tensor error = row_errors(side, made);
      const at::Tensor better = error.lt(least);  // what is no number is not better
      best = at::where(better, made, best);
      least = at::where(better, error, least);
    }
    parts.push_back(best);
  }
  return at::cat(parts, 0);
}

bool has_direction(const at::Tensor& direction, const at::Tensor& other) {
  return direction.mm(other).min().item<double>() > 0;
}

/// The two factors in turns; `low` counts scales under the bound before the first.
class Fit {
 public:
  Fit(const PositiveSource& source, at::Tensor weight, at::Tensor counts)
      : lut_(source.lut), weight_(std::move(weight)), counts_(std::move(counts)) {
    a_ = source.a.to(at::kDouble);
    b_ = source.b.to(at::kDouble);
    if (!has_direction(row_direction(), b_) || !has_direction(column_direction(), a_.t())) take_magnitudes();
  }

  void run() {
    const double bound =
        2 * kSmallestPositiveScale + kHalfShare * a_.abs().mm(b_.abs()).mean().item<double>();
    double last = INFINITY;
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      a_ = improved(rows(), a_, bound);
      if (has_direction(column_direction(), a_.t())) b_ = improved(columns(), b_.t(), bound).t().contiguous();
      if (!has_direction(row_direction(), b_)) take_magnitudes();
      const double now = row_errors(rows(), a_).sum().item<double>();
      if (!(now < kWorthwhile * last)) break;
      last = now;
    }
  }

  /// Unit rows of B, both factors as halves where asked, and no scale under the bound.
  void finish(bool half) {
    const at::Tensor norms = b_.norm(2, {1}, true).clamp_min(kTiny);
    b_ = b_.div(norms);
    a_ = a_.mul(norms.t());
    if (half) b_ = round_half(b_);
    const Side side = rows();
    require_direction(side);
    at::Tensor bound = at::full({a_.size(0), 1}, 2 * kSmallestPositiveScale, a_.options());
    for (int i = 0; i < kRoundings; ++i) {
      const at::Tensor made = raised(side, a_, bound);
      const at::Tensor stored = half ? round_half(made) : made;
      // As readers multiply: floats.
      const at::Tensor lowest = stored.to(at::kFloat).mm(b_.to(at::kFloat)).amin(1, true);
      const at::Tensor low = lowest.lt(kSmallestPositiveScale);
      if (!low.any().item<bool>()) {
        a_ = stored;
        return;
      }
      bound = at::where(low, bound.mul(2), bound);
    }
    throw_numerics("no positive scales were found", "--positive-scales",
                   "the layer's scales are infinite or not numbers: anemll_inspect check names them");
  }

  at::Tensor a() const { return a_.to(at::kFloat).contiguous(); }
  at::Tensor b() const { return b_.to(at::kFloat).contiguous(); }

 private:
  at::Tensor row_direction() const { return a_.mean(0, true); }
  at::Tensor column_direction() const { return b_.mean(1, true).t(); }

  Side rows() const {
    return {weight_, at::ones({a_.size(0), 1}, a_.options()), counts_, b_, row_direction(), lut_};
  }
  Side columns() const {
    return {weight_.t(), counts_.t(),        at::ones({1, a_.size(0)}, a_.options()),
            a_.t(),      column_direction(), lut_};
  }

  /// A start that is positive whatever the factors were.
  void take_magnitudes() {
    a_ = a_.abs();
    b_ = b_.abs();
    a_ = a_.add(a_.mean().mul(1e-3).add(kTiny));
    b_ = b_.add(b_.mean().mul(1e-3).add(kTiny));
  }

  static void require_direction(const Side& side) {
    if (!has_direction(side.direction, side.other))
      throw_numerics("no positive scales were found", "--positive-scales",
                     "the layer's scales vanish or are not numbers: anemll_inspect layers shows them");
  }

  const at::Tensor& lut_;
  at::Tensor weight_, counts_;  // [out, in], [1, in]
  at::Tensor a_, b_;
};

double weighted_square(const at::Tensor& x, const at::Tensor& counts) {
  return x.square().mul_(counts).sum().item<double>();
}

/// Factors fitted with the columns' weights `fitted`, and their error in the weights `counts`.
void fit_from(const PositiveSource& source, const at::Tensor& weight, const at::Tensor& fitted,
              const at::Tensor& counts, PositiveFit& fit) {
  Fit factors(source, weight, fitted);
  factors.run();
  factors.finish(source.half);
  fit.a = factors.a();
  fit.b = factors.b();
  const at::Tensor made = fit.a.mm(fit.b);
  fit.indices = nearest(weight, made, source.lut);
  fit.recoded = fit.indices.ne(source.indices).sum().item<std::int64_t>();
  const at::Tensor values = lut_values(fit.indices, source.lut, at::kFloat);
  fit.squared_error = weighted_square(values.mul(made).to(at::kDouble).sub(weight), counts);
}

}  // namespace

PositiveFit fit_positive_scales(const PositiveSource& source) {
  const at::NoGradGuard no_grad;
  const at::Tensor q = lut_values(source.indices, source.lut, at::kFloat).to(at::kDouble);
  const at::Tensor scales = source.a.to(at::kDouble).mm(source.b.to(at::kDouble));
  const at::Tensor weight = q.mul(scales);
  at::Tensor counts = at::ones({1, weight.size(1)}, weight.options());
  if (source.column_weight.defined()) {
    counts = source.column_weight.to(at::kDouble).view({1, -1});
    // A column that no row reached still counts a little.
    counts = counts.clamp_min(1e-6 * counts.mean().item<double>() + kTiny);
  }

  PositiveFit fit;
  fit.squared_weight = weighted_square(weight, counts);
  fit.squared_clamped = weighted_square(q.mul(scales.clamp_max(0)), counts);
  const at::Tensor a = source.half ? round_half(source.a) : source.a;
  const at::Tensor b = source.half ? round_half(source.b) : source.b;
  fit.below = a.mm(b).lt(kSmallestPositiveScale).sum().item<std::int64_t>();
  if (fit.below == 0) {
    fit.a = source.a;
    fit.b = source.b;
    fit.indices = source.indices;
    return fit;
  }
  // The weights of columns pull the fit into a valley of its own, not always the deeper one.
  fit_from(source, weight, counts, counts, fit);
  if (!source.column_weight.defined()) return fit;
  PositiveFit even = fit;
  fit_from(source, weight, at::ones_like(counts), counts, even);
  return even.squared_error < fit.squared_error ? even : fit;
}

NonNegativeFactors non_negative_factors(const at::Tensor& m, std::int64_t rank,
                                        const at::Tensor& column_weight) {
  const at::NoGradGuard no_grad;
  const at::Tensor target = m.to(at::kDouble).clamp_min(0);
  const std::int64_t rows = target.size(0), columns = target.size(1);
  const at::Tensor counts = column_weight.defined() ? column_weight.to(at::kDouble).view({1, columns})
                                                    : at::ones({1, columns}, target.options());
  // Component 0 is the product of the means; the others begin as small waves on it, all of them different, as
  // equal ones would stay equal.
  const double mean = std::max(target.mean().item<double>(), kTiny);
  const auto waves = [&](std::int64_t n) {
    const at::Tensor place = at::arange(n, target.options()).add(0.5).unsqueeze(1);
    const at::Tensor frequency = at::arange(rank, target.options()).unsqueeze(0);
    return at::cos(place.mul(frequency).mul(M_PI / static_cast<double>(n))).mul(0.5).add(1.0);
  };
  const double share = std::sqrt(mean / static_cast<double>(rank)) / 1.5;
  NonNegativeFactors made;
  made.a = waves(rows).mul(target.mean(1, true).div(mean)).mul_(share);
  made.b = waves(columns).mul(target.mean(0).unsqueeze(1).div(mean)).mul_(share).t().contiguous();
  for (int i = 0; i < kUpdates; ++i) {
    const at::Tensor weighed = made.b.mul(counts);
    const at::Tensor below_a = made.a.mm(made.b.mm(weighed.t())).clamp_min(kTiny);
    made.a.mul_(target.mm(weighed.t())).div_(below_a);
    // The weight of a column cancels in its own update.
    const at::Tensor below_b = made.a.t().mm(made.a).mm(made.b).clamp_min(kTiny);
    made.b.mul_(made.a.t().mm(target)).div_(below_b);
  }
  return {made.a.to(at::kFloat).contiguous(), made.b.to(at::kFloat).contiguous()};
}

}  // namespace anemll
