// The scale matrix E repeats column g of M n_g times, so E = U diag(s) V^T follows from the small
// M diag(sqrt(n_g)) = U diag(s) V_small^T with V^T = V_small^T diag(1 / sqrt(n_g)), repeated. The small
// decomposition comes from the eigenvectors of the smaller Gram matrix in double: singular values then carry
// an error of 1e-16 s0^2 / s, far below float for every component that is kept.
#include "src/quant/internal/scales.hpp"

#include "anemll/core/error.hpp"
#include "src/quant/ste.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <tuple>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/zeros.h>

namespace anemll {
namespace {

constexpr double kSmallestMaximum = 1e-8;
constexpr double kFloorOfFirst = 0.01;   // the reference's floor: relative to s0 ...
constexpr double kFloorAbsolute = 0.01;  // ... and absolute
constexpr double kNumericalRank = 1e-6;  // of s0: below this the reference's own vectors are float noise
constexpr double kIndependent = 0.3;     // part of a unit vector that must be left after projection

at::Tensor group_counts(std::int64_t in, std::int64_t group_size) {
  const std::int64_t groups = (in + group_size - 1) / group_size;
  at::Tensor counts = at::full({groups}, group_size, at::kLong);
  counts[groups - 1] = in - (groups - 1) * group_size;
  return counts;
}

/// Cosine `frequency` over n points, unit norm. High frequencies are far from vectors that are constant on
/// groups.
at::Tensor cosine(std::int64_t n, std::int64_t frequency) {
  const at::Tensor phase = (at::arange(n, at::kDouble) + 0.5) *
                           (std::numbers::pi * static_cast<double>(frequency) / static_cast<double>(n));
  const at::Tensor wave = phase.cos();
  return wave / wave.norm();
}

/// columns [n, k] orthonormal -> [n, count]: cosines from the highest frequency down, made orthogonal to what
/// is there; when the space is full, plain cosines.
at::Tensor complete(const at::Tensor& columns, std::int64_t count) {
  const std::int64_t n = columns.size(0);
  at::Tensor basis = at::zeros({n, count}, at::kDouble);
  std::int64_t have = columns.size(1);
  basis.narrow(1, 0, have).copy_(columns);
  for (std::int64_t frequency = n - 1; frequency >= 0 && have < std::min(count, n); --frequency) {
    at::Tensor v = cosine(n, frequency);
    const at::Tensor present = basis.narrow(1, 0, have);
    for (int pass = 0; pass < 2; ++pass) v = v - at::mv(present, at::mv(present.t(), v));
    const double left = v.norm().item<double>();
    // Few directions may be left when the space is almost full; then take what there is.
    const bool scarce = frequency < std::min(count, n) - have;
    if (left < (scarce ? 1e-6 : kIndependent)) continue;
    basis.select(1, have++).copy_(v / left);
  }
  for (std::int64_t frequency = n - 1; have<count; frequency = frequency> 0 ? frequency - 1 : n - 1)
    basis.select(1, have++).copy_(cosine(n, frequency));
  return basis;
}

struct SmallSvd {
  at::Tensor u, s, v;  ///< [out, k], [k], [G, k]; k = numerical rank, at most `rank`
};

SmallSvd small_svd(const at::Tensor& matrix, std::int64_t rank) {
  const bool wide = matrix.size(0) < matrix.size(1);
  const at::Tensor tall = wide ? matrix.t() : matrix;
  const auto [values, vectors] = at::linalg_eigh(at::mm(tall.t(), tall));  // ascending
  const at::Tensor squares = values.flip(0).clamp_min(0);
  const at::Tensor s = squares.sqrt();
  const auto* value = s.const_data_ptr<double>();
  std::int64_t kept = 0;
  while (kept < std::min(rank, s.size(0)) && value[kept] > kNumericalRank * value[0]) ++kept;
  const at::Tensor right = vectors.flip(1).narrow(1, 0, kept);
  const at::Tensor used = s.narrow(0, 0, kept);
  const at::Tensor left = at::mm(tall, right) / used;
  return wide ? SmallSvd{right, used, left} : SmallSvd{left, used, right};
}

/// The sign of a component is free; the largest entry of its column in A is made positive.
void fix_signs(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor largest = a.abs().argmax(0, true);
  const at::Tensor sign = a.gather(0, largest).sign();  // [1, k]
  a.mul_(sign);
  b.mul_(sign);
}

InitialScales finish(const at::Tensor& a, const at::Tensor& b, const at::Tensor& g, std::int64_t rank) {
  InitialScales scales;
  scales.scale_A = complete(a, rank).to(at::kFloat).contiguous();
  scales.scale_B = complete(b, rank).t().to(at::kFloat).contiguous();
  at::Tensor magnitude = at::zeros({rank}, at::kFloat);
  magnitude.narrow(0, 0, g.size(0)).copy_(g);
  scales.rank_magnitude = round_half(magnitude);
  return scales;
}

void check(const at::Tensor& weight, std::int64_t rank, std::int64_t group_size) {
  if (weight.dim() != 2 || weight.numel() == 0) throw_data("scales need a matrix with entries", "weight", "");
  if (rank < 1) throw_usage("the scale rank must be at least 1, not " + std::to_string(rank), "rank", "");
  if (group_size < 1)
    throw_usage("the group size must be at least 1, not " + std::to_string(group_size), "--group-size", "");
}

}  // namespace

at::Tensor group_maxima(const at::Tensor& weight, std::int64_t group_size) {
  const at::NoGradGuard no_grad;
  const std::int64_t out = weight.size(0);
  const std::int64_t whole = weight.size(1) / group_size;
  const std::int64_t covered = whole * group_size;
  std::vector<at::Tensor> parts;
  const auto largest = [](const at::Tensor& part) {
    return at::maximum(part.amax(-1), part.amin(-1).neg_());
  };
  if (whole > 0) parts.push_back(largest(weight.narrow(1, 0, covered).reshape({out, whole, group_size})));
  if (covered < weight.size(1))
    parts.push_back(largest(weight.narrow(1, covered, weight.size(1) - covered)).unsqueeze(1));
  return at::cat(parts, 1).to(at::kFloat).clamp_min_(kSmallestMaximum);
}

InitialScales svd_scales(const at::Tensor& weight, std::int64_t rank, std::int64_t group_size,
                         SvdFloor floor) {
  const at::NoGradGuard no_grad;
  check(weight, rank, group_size);
  const at::Tensor counts = group_counts(weight.size(1), group_size);
  const at::Tensor root = counts.to(at::kDouble).sqrt();
  const SmallSvd svd = small_svd(group_maxima(weight, group_size).to(at::kDouble) * root, rank);
  const at::Tensor b = at::repeat_interleave(svd.v / root.unsqueeze(1), counts, 0);  // [in, k]
  fix_signs(svd.u, b);
  at::Tensor g = svd.s;
  if (floor == SvdFloor::reference)
    g = g.clamp_min(std::max(kFloorOfFirst * g[0].item<double>(), kFloorAbsolute));
  return finish(svd.u, b, g, rank);
}

InitialScales fast_scales(const at::Tensor& weight, std::int64_t rank, std::int64_t group_size) {
  const at::NoGradGuard no_grad;
  check(weight, rank, group_size);
  const at::Tensor counts = group_counts(weight.size(1), group_size);
  const at::Tensor maxima = group_maxima(weight, group_size).to(at::kDouble);
  const at::Tensor share = counts.to(at::kDouble) / static_cast<double>(weight.size(1));
  const at::Tensor rows = at::mv(maxima, share);
  const at::Tensor columns = at::repeat_interleave(maxima.mean(0), counts, 0);
  const at::Tensor magnitude = rows.norm() * columns.norm() / rows.mean();
  return finish((rows / rows.norm()).unsqueeze(1), (columns / columns.norm()).unsqueeze(1),
                magnitude.view({1}), rank);
}

PlainFactors svd_factors(const at::Tensor& weight, std::int64_t rank, std::int64_t group_size) {
  const at::NoGradGuard no_grad;
  check(weight, rank, group_size);
  const double root = std::sqrt(static_cast<double>(group_size));
  const SmallSvd svd = small_svd(group_maxima(weight, group_size).to(at::kDouble) * root, rank);
  const at::Tensor b = at::repeat_interleave(svd.v / root, group_size, 0);  // [padded, k]
  fix_signs(svd.u, b);
  const at::Tensor a = at::zeros({weight.size(0), rank}, at::kDouble);
  a.narrow(1, 0, svd.s.size(0)).copy_(svd.u * svd.s);
  return {a.to(at::kFloat), complete(b, rank).t().to(at::kFloat).contiguous()};
}

PlainFactors fast_factors(const at::Tensor& weight, std::int64_t rank, std::int64_t group_size) {
  const at::NoGradGuard no_grad;
  const InitialScales scales = fast_scales(weight, rank, group_size);
  const std::int64_t in = weight.size(1);
  const std::int64_t padded = (in + group_size - 1) / group_size * group_size;
  const at::Tensor b = at::zeros({rank, padded}, at::kFloat);
  b.narrow(1, 0, in).copy_(scales.scale_B);
  return {scales.scale_A * scales.rank_magnitude, b};
}

}  // namespace anemll
