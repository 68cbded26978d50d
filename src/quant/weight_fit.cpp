#include "src/quant/weight_fit.hpp"

#include "src/quant/internal/freeze.hpp"
#include "src/quant/internal/lut.hpp"
#include "src/quant/internal/lut_weight.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

namespace anemll {
namespace {

constexpr int kSweeps = 5;
constexpr double kRidge = 1e-6;  // of the mean diagonal: ranks that nothing needs stay small
constexpr double kTiny = 1e-30;

/// Spread of a normal distribution that a table of evenly spaced entries from -1 to 1 serves best: 2, 4,
/// 8, 16.
double first_scale(std::int64_t lut_size) {
  constexpr double kScales[] = {0.8, 1.5, 2.1, 2.6};
  std::size_t bits = 0;
  while (bits < 3 && (std::int64_t{2} << bits) < lut_size) ++bits;
  return kScales[bits];
}

class Fit {
 public:
  Fit(const at::Tensor& weight, const at::Tensor& columns, std::int64_t lut_size, std::int64_t rank)
      : weight_(weight), columns_(columns), lut_(at::tensor(make_lut(lut_size), at::kFloat)) {
    const at::Tensor squares = weight.square();
    const at::Tensor row = squares.mul(columns).mean(1, true).sqrt_().clamp_min_(kTiny);  // [out, 1]
    const at::Tensor column = squares.div(row.square()).mean(0, true).sqrt_().clamp_min_(kTiny);
    const std::int64_t in = weight.size(1);
    // Component 0 is the product of the spreads; the others begin as waves on it that no row uses yet.
    const at::Tensor place = at::arange(in, weight.options()).add(0.5).unsqueeze(0);
    const at::Tensor wave = at::arange(rank, weight.options()).unsqueeze(1);
    b_ = at::cos(place.mul(wave).mul(M_PI / static_cast<double>(in))).mul(column);
    a_ = at::zeros({weight.size(0), rank}, weight.options());
    a_.select(1, 0).copy_(row.squeeze(1).mul(first_scale(lut_size)));
  }

  WeightFit run() {
    WeightFit best;
    const double whole = std::max(weighted(weight_), kTiny);
    for (int sweep = 0; sweep <= kSweeps; ++sweep) {
      code();
      const at::Tensor made = q_.mul(scales_);
      const double error = weighted(made.sub(weight_)) / whole;
      if (sweep == 0 || error < best.error) best = {made, error};
      if (sweep == kSweeps) break;
      a_ = solved(weight_, q_, b_, columns_, a_);
      code();
      b_ = solved(weight_.t(), q_.t(), a_.t(), at::ones({1, a_.size(0)}, a_.options()), b_.t())
               .t()
               .contiguous();
      code();
      refit_table();
    }
    return best;
  }

 private:
  double weighted(const at::Tensor& x) const {
    return x.square().mul(columns_).sum(at::kDouble).item<double>();
  }

  void code() {
    scales_ = a_.mm(b_);
    indices_ = freeze_indices(weight_, scales_, lut_).indices;
    q_ = lut_values(indices_, lut_, at::kFloat);
  }

  /// Rows [n, r] for target [n, m] with values q [n, m] and the other factor [r, m].
  static at::Tensor solved(const at::Tensor& target, const at::Tensor& q, const at::Tensor& other,
                           const at::Tensor& counts, const at::Tensor& present) {
    const std::int64_t n = present.size(0), r = present.size(1), m = other.size(1);
    const at::Tensor columns = other.t().contiguous();
    const at::Tensor pairs = columns.unsqueeze(2).mul(columns.unsqueeze(1)).reshape({m, r * r});
    const at::Tensor normal = q.square().mul(counts).mm(pairs).view({n, r, r}).to(at::kDouble);
    const at::Tensor wanted = q.mul(target).mul(counts).mm(columns).to(at::kDouble);
    const at::Tensor identity = at::eye(r, normal.options()).unsqueeze(0);
    const at::Tensor diagonal =
        normal.mul(identity).sum({1, 2}, true).div(static_cast<double>(r)).clamp_min(kTiny);
    const at::Tensor firm = normal.add(identity.mul(diagonal).mul(kRidge));
    return at::linalg_solve(firm, wanted.unsqueeze(2)).squeeze(2).to(at::kFloat);
  }

  /// Each entry from the weights that have it; the largest becomes 1 again.
  void refit_table() {
    const std::int64_t n = lut_.numel();
    const at::Tensor flat = indices_.flatten().to(at::kLong);
    const auto sums = [&](const at::Tensor& x) {
      return at::zeros({n}, at::kDouble).index_add_(0, flat, x.flatten().to(at::kDouble));
    };
    const at::Tensor above = sums(scales_.mul(weight_).mul(columns_));
    const at::Tensor below = sums(scales_.square().mul(columns_));
    const at::Tensor fitted = above.div(below.clamp_min(kTiny));
    const double largest = fitted.abs().max().item<double>();
    const bool ascending = (fitted.narrow(0, 1, n - 1) > fitted.narrow(0, 0, n - 1)).all().item<bool>();
    if (!ascending || !(largest > 0)) return;
    lut_ = fitted.div(largest).to(at::kFloat).contiguous();
    a_ = a_.mul(largest);
  }

  at::Tensor weight_, columns_, lut_;  // [out, in], [1, in], [n]
  at::Tensor a_, b_, scales_, indices_, q_;
};

}  // namespace

WeightFit fit_weight(const at::Tensor& weight, const at::Tensor& column_weight, std::int64_t lut_size,
                     std::int64_t rank) {
  const at::NoGradGuard no_grad;
  at::Tensor columns = at::ones({1, weight.size(1)}, weight.options());
  if (column_weight.defined()) {
    columns = column_weight.to(at::kFloat).view({1, -1});
    const double mean = columns.mean().item<double>();
    // A column that no token reached still counts a little.
    if (mean > 0)
      columns = columns.div(mean).clamp_min(1e-3);
    else
      columns = at::ones_like(columns);
  }
  return Fit(weight.contiguous(), columns, lut_size, std::min({rank, weight.size(0), weight.size(1)})).run();
}

}  // namespace anemll
