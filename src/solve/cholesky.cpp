#include "src/solve/internal/cholesky.hpp"

#include "src/kernels/parallel.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/tensor.h>

namespace anemll {
namespace {

using Index = std::int64_t;

constexpr Index kTile = 128;
constexpr Index kSystemsPerTask = 16;
// Of the diagonal it came from: below, a pivot is rounding.
constexpr double kLeastPivot = 1e-13;
// A pivot for what is dropped: its row and column become nothing.
constexpr double kDropped = 1e150;

/// In place; only the lower triangle is read and written.
void factor(double* a, Index n, Index stride) {
  for (Index k = 0; k < n; ++k) {
    double* row = a + k * stride;
    double left = row[k];
    for (Index j = 0; j < k; ++j) left -= row[j] * row[j];
    const double pivot = left > kLeastPivot * std::fabs(row[k]) ? std::sqrt(left) : kDropped;
    row[k] = pivot;
    for (Index i = k + 1; i < n; ++i) {
      double* other = a + i * stride;
      double sum = other[k];
      for (Index j = 0; j < k; ++j) sum -= other[j] * row[j];
      other[k] = sum / pivot;
    }
  }
}

void substitute(const double* l, Index n, double* x) {
  for (Index i = 0; i < n; ++i) {
    double sum = x[i];
    for (Index j = 0; j < i; ++j) sum -= l[i * n + j] * x[j];
    x[i] = sum / l[i * n + i];
  }
  for (Index i = n - 1; i >= 0; --i) {
    x[i] /= l[i * n + i];
    const double value = x[i];
    for (Index j = 0; j < i; ++j) x[j] -= l[i * n + j] * value;
  }
}

}  // namespace

at::Tensor lower_factor(const at::Tensor& matrix) {
  const at::NoGradGuard no_grad;
  const at::Tensor l = matrix.clone(at::MemoryFormat::Contiguous);
  const Index n = l.size(0);
  const auto tile = [&](Index row, Index column) {
    return l.narrow(0, row, std::min(kTile, n - row)).narrow(1, column, std::min(kTile, n - column));
  };
  for (Index k = 0; k < n; k += kTile) {
    const Index width = std::min(kTile, n - k);
    factor(l.mutable_data_ptr<double>() + k * n + k, width, n);
    const at::Tensor pivot = tile(k, k).tril().t();
    const Index rest = (n - k - 1) / kTile;  // tiles below
    kernels::parallel_for(rest, 1, [&](Index begin, Index end) {
      const at::NoGradGuard inside;
      for (Index i = begin; i < end; ++i) {
        at::Tensor below = tile(k + (i + 1) * kTile, k);
        below.copy_(at::linalg_solve_triangular(pivot, below.contiguous(), /*upper=*/true, /*left=*/false));
      }
    });
    kernels::parallel_for(rest * (rest + 1) / 2, 1, [&](Index begin, Index end) {
      const at::NoGradGuard inside;
      for (Index place = begin; place < end; ++place) {
        const auto row = static_cast<Index>((std::sqrt(8.0 * static_cast<double>(place) + 1.0) - 1.0) / 2.0);
        const Index column = place - row * (row + 1) / 2;
        const Index i = k + (row + 1) * kTile;
        const Index j = k + (column + 1) * kTile;
        tile(i, j).addmm_(tile(i, k), tile(j, k).t(), 1.0, -1.0);
      }
    });
  }
  return l.tril();
}

at::Tensor packed_squares(const at::Tensor& x) {
  const Index rank = x.size(1);
  std::vector<Index> first, second;
  for (Index i = 0; i < rank; ++i) {
    for (Index j = i; j < rank; ++j) {
      first.push_back(i);
      second.push_back(j);
    }
  }
  return x.index_select(1, at::tensor(first)).mul_(x.index_select(1, at::tensor(second)));
}

SmallSystems::SmallSystems(const at::Tensor& packed, std::int64_t rank, double ridge)
    : rank_(rank), factors_(at::empty({packed.size(0), rank, rank}, at::kDouble)) {
  const at::Tensor given = packed.to(at::kDouble).contiguous();
  const double* from = given.const_data_ptr<double>();
  auto* to = factors_.mutable_data_ptr<double>();
  kernels::parallel_for(given.size(0), kSystemsPerTask, [&](Index begin, Index end) {
    for (Index s = begin; s < end; ++s) {
      const double* entry = from + s * packed_size(rank);
      double* a = to + s * rank * rank;
      double trace = 0;
      for (Index i = 0; i < rank; ++i) {
        trace += *entry;
        for (Index j = i; j < rank; ++j) a[j * rank + i] = *entry++;
      }
      for (Index i = 0; i < rank; ++i) a[i * rank + i] += ridge * trace / static_cast<double>(rank);
      factor(a, rank, rank);
    }
  });
}

at::Tensor SmallSystems::solve(const at::Tensor& right) const {
  const at::Tensor x = right.to(at::kDouble, false, /*copy=*/true).contiguous();
  const double* factors = factors_.const_data_ptr<double>();
  auto* values = x.mutable_data_ptr<double>();
  kernels::parallel_for(x.size(0), kSystemsPerTask, [&](Index begin, Index end) {
    for (Index s = begin; s < end; ++s) substitute(factors + s * rank_ * rank_, rank_, values + s * rank_);
  });
  return x.to(right.scalar_type());
}

}  // namespace anemll
