#include "src/solve/internal/stored.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/kernels/product.hpp"
#include "src/quant/positive_scales.hpp"
#include "src/quant/ste.hpp"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

namespace anemll {
namespace {

using Index = std::int64_t;

constexpr double kMagnitudeEps = 1e-6;  // the layer adds it
constexpr double kTiny = 1e-30;
constexpr double kLargestHalf = 65504;
// The least scale of a row, of its mean scale: a weight under it is as good as zero, and sums of floats or
// halves are still positive there.
constexpr double kShareOfMean = 1e-3;
constexpr int kRaises = 60;  // the bound doubles in each; a half has 40 binary orders

at::Tensor norms(const at::Tensor& x, std::int64_t dim) {
  return x.square().sum(dim, true).sqrt_().clamp_min_(kTiny);
}

at::Tensor all_of_a(const Rows& rows) {
  return rows.pool.gather(rows.now.a.reshape({-1, rows.rank()}));
}

/// Each row moved along the mean row until no scale is under its bound (float [units, unit rows]). False,
/// on all ranks, when the mean row's own scales are not all positive.
bool raise(Rows& rows, const at::Tensor& bound) {
  const at::Tensor mean = all_of_a(rows).to(at::kDouble).mean(0, true);
  const at::Tensor along = mean.mm(rows.now.b.to(at::kDouble));  // [1, in]
  if (!(along.min().item<double>() > 0)) return false;
  const at::Tensor by = along.t().to(at::kFloat);
  const at::Tensor way = mean.to(at::kFloat);
  rows.pool.for_units([&](Index u) {
    const at::Tensor missing = bound.select(0, u).sub(rows.scales(u)).div_(by).amax(0).clamp_min_(0);
    rows.now.a.select(0, u).add_(missing.unsqueeze(1).mul(way));
  });
  return true;
}

/// Of each row the lowest scale, as floats and as halves multiply: [units, unit rows].
at::Tensor lowest_scales(const Rows& rows) {
  const at::Tensor lowest = at::empty({rows.pool.units(), kUnitRows}, at::kFloat);
  const at::Tensor rounded = round_half(rows.now.b).t().contiguous();
  rows.pool.for_units([&](Index u) {
    const at::Tensor halves = kernels::mm(rounded, round_half(rows.now.a.select(0, u)).t());
    lowest.select(0, u).copy_(at::minimum(halves, rows.scales(u)).amin(0));
  });
  return lowest;
}

void set_limit(Rows& rows) {
  rows.limit = at::empty({rows.pool.units(), kUnitRows}, at::kFloat);
  rows.pool.for_units([&](Index u) {
    const at::Tensor mean = rows.scales(u).clamp_min_(0).mean(0);
    rows.limit.select(0, u).copy_(mean.mul_(kShareOfMean).clamp_min_(2 * kSmallestPositiveScale));
  });
}

/// Unit columns and rows, and what remains of them.
StoredScales normalised(const Rows& rows) {
  const at::Tensor b = rows.now.b.to(at::kDouble);
  const at::Tensor b_norm = norms(b, 1);
  const at::Tensor a = all_of_a(rows).to(at::kDouble).mul_(b_norm.t());
  const at::Tensor a_norm = norms(a, 0);
  const double largest = a_norm.max().item<double>();
  if (!(largest <= kLargestHalf))
    throw_numerics(strf("a magnitude of the scales is %.3g, beyond the largest half", largest),
                   "start of a linear",
                   "the weight is too large for this format: scale the model's weights down");
  StoredScales stored;
  stored.scale_A = a.div(a_norm).to(at::kFloat);
  stored.rank_magnitude = round_half(a_norm.squeeze(0).sub(kMagnitudeEps).clamp_min_(0).to(at::kFloat));
  stored.scale_B = b.div(b_norm).to(at::kFloat).index_select(1, rows.moments.inverse);
  return stored;
}

void normalise_lut(Rows& rows) {
  const double largest = rows.now.lut.abs().max().item().toDouble();
  rows.now.lut = round_half(rows.now.lut.div(largest));
  rows.now.a.mul_(largest);
  rows.limit.mul_(largest).clamp_min_(2 * kSmallestPositiveScale);
}

}  // namespace

void read_scales(Rows& rows, const StoredScales& stored) {
  const at::Tensor a = stored.scale_A.to(at::kDouble);
  const at::Tensor b = stored.scale_B.to(at::kDouble);
  const at::Tensor magnitude = stored.rank_magnitude.to(at::kDouble).add(kMagnitudeEps);
  rows.now.a = rows.pool.take(a.div(norms(a, 0)).mul_(magnitude).to(at::kFloat));
  rows.now.b = b.div(norms(b, 1)).to(at::kFloat).index_select(1, rows.moments.order).contiguous();
}

void make_positive(Rows& rows) {
  set_limit(rows);
  if (raise(rows, rows.limit)) return;
  // The start is no near fit of anything positive. Without signs it is positive, if not near.
  rows.now.a = rows.now.a.abs().add_(kTiny);
  rows.now.b = rows.now.b.abs().add_(static_cast<double>(kSmallestPositiveScale));
  set_limit(rows);
  if (!raise(rows, rows.limit))
    throw_numerics("no positive scales were found", "start of a linear",
                   "the weight holds infinities or what is no number: anemll_inspect check names it");
}

StoredScales store(Rows& rows, const ScaleProjection& project) {
  normalise_lut(rows);
  at::Tensor bound = rows.limit.clone();
  Chosen wanted = rows.now;
  for (int i = 0; i < kRaises; ++i) {
    StoredScales stored = normalised(rows);
    if (project) project(stored.scale_A, stored.rank_magnitude, stored.scale_B);
    wanted = rows.now;
    read_scales(rows, stored);
    const at::Tensor low = lowest_scales(rows).lt(kSmallestPositiveScale);
    if (rows.pool.max_ranks(low.any().item<bool>() ? 1.0 : 0.0) == 0.0) return stored;
    rows.now = wanted;
    if (!raise(rows, at::where(low, bound, bound.sub(INFINITY)))) break;
    bound = at::where(low, bound.mul(2), bound);
  }
  throw_numerics("no positive scales were found that halves can hold", "start of a linear",
                 "the weight holds infinities or what is no number: anemll_inspect check names it");
}

}  // namespace anemll
