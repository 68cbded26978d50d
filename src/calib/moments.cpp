#include "src/calib/moments.hpp"

#include "src/kernels/moment_sum_cpu.hpp"
#include "src/kernels/parallel.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

namespace anemll {
namespace {

using Index = std::int64_t;

constexpr Index kChunk = 512;  // tokens of one fp32 product
constexpr Index kTile = 128;   // rows and columns of a piece of the result, which one thread computes

/// `out` [m, n] fp64 += a^T b for a [C, m], b [C, n] fp32. `symmetric`: a is b, and half of the pieces are
/// mirrored.
void add_product(at::Tensor& out, const at::Tensor& a, const at::Tensor& b, bool symmetric) {
  const Index m = a.size(1), n = b.size(1);
  const Index down = (m + kTile - 1) / kTile, across = (n + kTile - 1) / kTile;
  std::vector<std::pair<Index, Index>> pieces;
  for (Index i = 0; i < down; ++i) {
    for (Index j = 0; j < (symmetric ? i + 1 : across); ++j) pieces.emplace_back(i * kTile, j * kTile);
  }
  const at::Tensor left = a.t().contiguous();  // [m, C]: its rows are read along memory
  auto* sums = out.data_ptr<double>();
  kernels::parallel_for(static_cast<Index>(pieces.size()), 1, [&](Index begin, Index end) {
    const at::NoGradGuard no_grad;  // a thread-local switch
    for (Index p = begin; p < end; ++p) {
      const auto [row, column] = pieces[static_cast<std::size_t>(p)];
      const Index height = std::min(kTile, m - row);
      const Index width = std::min(kTile, n - column);
      const at::Tensor piece = at::mm(left.narrow(0, row, height), b.narrow(1, column, width));
      const auto* from = piece.const_data_ptr<float>();
      for (Index i = 0; i < height; ++i)
        kernels::add_to_double(from + i * width, 1, sums + (row + i) * n + column, width);
      for (Index j = 0; symmetric && row != column && j < width; ++j)
        kernels::add_to_double(from + j, width, sums + (column + j) * n + row, height);
    }
  });
}

/// diagonal[j] += sum over tokens of w x_j^2, each column in the order of the tokens.
void add_squares(double* diagonal, const float* x, const float* weights, Index tokens, Index n) {
  constexpr Index kColumns = 64;
  kernels::parallel_for((n + kColumns - 1) / kColumns, 4, [&](Index begin, Index end) {
    const Index first = begin * kColumns;
    const Index last = std::min(end * kColumns, n);
    for (Index t = 0; t < tokens; ++t) {
      const double w = weights == nullptr ? 1.0 : static_cast<double>(weights[t]);
      const float* row = x + t * n;
      for (Index j = first; j < last; ++j)
        diagonal[j] += w * static_cast<double>(row[j]) * static_cast<double>(row[j]);
    }
  });
}

[[maybe_unused]] bool fits(const at::Tensor& tensor, Index rows, Index columns) {
  return tensor.scalar_type() == at::kFloat && tensor.device().is_cpu() && tensor.dim() == 2 &&
         tensor.size(0) == rows && tensor.size(1) == columns;
}

}  // namespace

Moments::Moments(Index n, MomentParts parts) : columns(n), diagonal(at::zeros({n}, at::kDouble)) {
  if (parts.full) full = at::zeros({n, n}, at::kDouble);
  if (parts.cross > 0) cross = at::zeros({parts.cross, n}, at::kDouble);
}

at::Tensor token_traces(const at::Tensor& x, const at::Tensor& weights) {
  const at::Tensor rows = x.contiguous();
  const at::Tensor w = weights.defined() ? weights.contiguous() : at::Tensor();
  const Index n = rows.size(1);
  at::Tensor traces = at::zeros({rows.size(0)}, at::kDouble);
  auto* out = traces.data_ptr<double>();
  const auto* in = rows.const_data_ptr<float>();
  const auto* scale = w.defined() ? w.const_data_ptr<float>() : nullptr;
  kernels::parallel_for(rows.size(0), 16, [&](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      double sum = 0;
      for (Index j = 0; j < n; ++j)
        sum += static_cast<double>(in[t * n + j]) * static_cast<double>(in[t * n + j]);
      out[t] = scale == nullptr ? sum : sum * static_cast<double>(scale[t]);
    }
  });
  return traces;
}

void Moments::add(const at::Tensor& x, const at::Tensor& weights, const at::Tensor& other) {
  const at::NoGradGuard no_grad;
  const Index count = x.size(0);
  assert(fits(x, count, columns));
  assert(cross.defined() == other.defined() && (!other.defined() || fits(other, count, cross.size(0))));
  assert(!weights.defined() || (weights.scalar_type() == at::kFloat && weights.numel() == count));
  const at::Tensor rows = x.contiguous();
  const at::Tensor w = weights.defined() ? weights.contiguous() : at::Tensor();
  const auto* scale = w.defined() ? w.const_data_ptr<float>() : nullptr;

  const at::Tensor squares = token_traces(rows);
  const auto* square = squares.const_data_ptr<double>();
  for (Index t = 0; t < count; ++t) {
    const double of_token = scale == nullptr ? 1.0 : static_cast<double>(scale[t]);
    if (of_token <= 0) continue;
    ++tokens;
    weight += of_token;
    plain_trace += square[t];
    plain_largest = std::max(plain_largest, square[t]);
    largest = std::max(largest, of_token * square[t]);
  }
  add_squares(diagonal.data_ptr<double>(), rows.const_data_ptr<float>(), scale, count, columns);
  if (!full.defined() && !cross.defined()) return;
  const at::Tensor roots = w.defined() ? w.sqrt().unsqueeze(1) : at::Tensor();
  for (Index first = 0; first < count; first += kChunk) {
    const Index size = std::min(kChunk, count - first);
    const auto weighted = [&](const at::Tensor& all) {
      const at::Tensor part = all.narrow(0, first, size);
      return roots.defined() ? part.mul(roots.narrow(0, first, size)) : part;
    };
    const at::Tensor part = weighted(rows);
    if (full.defined()) add_product(full, part, part, true);
    if (cross.defined()) add_product(cross, weighted(other), part, false);
  }
  if (full.defined()) full.diagonal().copy_(diagonal);
}

void Moments::combine(const Moments& more) {
  const at::NoGradGuard no_grad;
  assert(columns == more.columns && full.defined() == more.full.defined() &&
         cross.defined() == more.cross.defined());
  tokens += more.tokens;
  weight += more.weight;
  diagonal.add_(more.diagonal);
  if (full.defined()) full.add_(more.full);
  if (cross.defined()) cross.add_(more.cross);
  plain_trace += more.plain_trace;
  plain_largest = std::max(plain_largest, more.plain_largest);
  largest = std::max(largest, more.largest);
}

double Moments::trace() const {
  const auto* values = diagonal.const_data_ptr<double>();
  double sum = 0;  // in one order, whatever the threads
  for (Index j = 0; j < columns; ++j) sum += values[j];
  return sum;
}

void Moments::normalise() {
  if (tokens == 0 || weight <= 0) return;
  const double scale = static_cast<double>(tokens) / weight;
  weight = static_cast<double>(tokens);
  diagonal.mul_(scale);
  if (full.defined()) full.mul_(scale);
  if (cross.defined()) cross.mul_(scale);
  largest *= scale;
}

}  // namespace anemll
