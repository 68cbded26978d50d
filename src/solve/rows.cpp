// What all steps share, and the choice of indices.
#include "src/solve/internal/rows.hpp"

#include "src/kernels/code_feedback_cpu.hpp"
#include "src/kernels/product.hpp"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

namespace anemll {
namespace {

using Index = std::int64_t;

constexpr Index kBlockColumns = 128;  // of indices chosen before the others hear of them
// Of a share that ends at a limit: rounding must not cross it.
constexpr double kShortOf = 0.999;

kernels::LutView view_of(const at::Tensor& lut) {
  return {lut.const_data_ptr<float>(), lut.numel()};
}

/// Indices of one unit, column by column; see FeedbackBlock. `sums` [in, rows] follow what is left over, all
/// of them or, for a last pass, those that are still to be read.
struct Pass {
  const at::Tensor& matrix;
  const at::Tensor& inverse;
  const at::Tensor& wanted;
  at::Tensor& sums;
  const at::Tensor& scale;
  const at::Tensor& lut;
  bool last;
};

void choose(const Pass& pass, at::Tensor code) {
  const Index in = pass.wanted.size(0);
  const Index rows = pass.wanted.size(1);
  const at::Tensor left = at::empty({kBlockColumns, rows}, pass.wanted.options());
  for (Index first = 0; first < in; first += kBlockColumns) {
    const Index columns = std::min(kBlockColumns, in - first);
    const Index from = first * rows;
    kernels::choose_with_feedback(
        {pass.matrix.const_data_ptr<float>() + first * in + first, in,
         pass.inverse.const_data_ptr<float>() + first, pass.wanted.const_data_ptr<float>() + from,
         pass.sums.const_data_ptr<float>() + from, pass.scale.const_data_ptr<float>() + from,
         view_of(pass.lut), code.mutable_data_ptr<std::uint8_t>() + from, left.mutable_data_ptr<float>(),
         columns, rows});
    const Index open = pass.last ? first + columns : 0;
    if (open == in) break;
    at::Tensor later = pass.sums.narrow(0, open, in - open);
    kernels::addmm_(later, pass.matrix.narrow(0, open, in - open).narrow(1, first, columns),
                    left.narrow(0, 0, columns));
  }
}

template <class Body>
void for_units(const Rows& rows, const Body& body) {
  rows.pool.for_units(body);
}

}  // namespace

at::Tensor Rows::scales(std::int64_t u) const {
  return kernels::mm(now.b.t(), now.a.select(0, u).t());
}

at::Tensor Rows::entries(std::int64_t u) const {
  at::Tensor made = at::empty_like(target.select(0, u));
  kernels::lut_gather(now.code.select(0, u).const_data_ptr<std::uint8_t>(), view_of(now.lut),
                      made.mutable_data_ptr<float>(), made.numel());
  return made;
}

at::Tensor Rows::product(std::int64_t u, const at::Tensor& scales) const {
  at::Tensor made = at::empty_like(scales);
  kernels::lut_multiply(now.code.select(0, u).const_data_ptr<std::uint8_t>(), view_of(now.lut),
                        scales.const_data_ptr<float>(), made.mutable_data_ptr<float>(), made.numel());
  return made;
}

at::Tensor Rows::error(std::int64_t u) const {
  return product(u, scales(u)).neg_().add_(target.select(0, u));
}

at::Tensor Rows::weighed(const at::Tensor& x) const {
  return moments.full() ? kernels::mm(moments.h, x) : x.mul(moments.diagonal.unsqueeze(1));
}

namespace {

/// The error with the ridge and the squares that the ridge counts, of what `make(u)` gives.
template <class Make>
OutputError summed(const Rows& rows, const Make& make) {
  const at::Tensor parts = at::empty({rows.pool.units(), 2}, at::kDouble);
  for_units(rows, [&](Index u) {
    const at::Tensor e = make(u);
    const at::Tensor counts = rows.counts.select(0, u);
    const auto total = [&](const at::Tensor& x) {
      return x.sum(at::IntArrayRef{0}, false, at::kDouble).mul_(counts).sum();
    };
    parts.select(0, u).select(0, 0).copy_(total(rows.weighed(e).mul_(e)));
    parts.select(0, u).select(0, 1).copy_(total(e.square()));
  });
  const at::Tensor sums = rows.pool.sum(parts).mul_(rows.moments.scale);
  const double with_ridge = sums[0].item<double>();
  return {with_ridge, std::max(0.0, with_ridge - rows.moments.ridge * sums[1].item<double>())};
}

}  // namespace

OutputError output_error(const Rows& rows) {
  return summed(rows, [&](Index u) { return rows.error(u); });
}

double target_output(const Rows& rows) {
  return summed(rows, [&](Index u) { return rows.target.select(0, u); }).plain;
}

void choose_nearest(Rows& rows) {
  for_units(rows, [&](Index u) {
    const at::Tensor scale = rows.scales(u);
    kernels::lut_nearest(rows.target.select(0, u).const_data_ptr<float>(), scale.const_data_ptr<float>(),
                         view_of(rows.now.lut), 0.0F,
                         rows.now.code.select(0, u).mutable_data_ptr<std::uint8_t>(), scale.numel());
  });
}

void choose_by_feedback(Rows& rows) {
  for_units(rows, [&](Index u) {
    const at::Tensor scale = rows.scales(u);
    at::Tensor sums = at::zeros_like(scale);
    choose({rows.moments.feedback, rows.moments.inverse_feedback, rows.target.select(0, u), sums, scale,
            rows.now.lut, /*last=*/true},
           rows.now.code.select(0, u));
  });
}

void descend(Rows& rows, int sweeps) {
  for_units(rows, [&](Index u) {
    const at::Tensor scale = rows.scales(u);
    at::Tensor made = rows.product(u, scale);
    at::Tensor sums = rows.weighed(rows.target.select(0, u).sub(made));
    for (int i = 0; i < sweeps; ++i) {
      if (i > 0) made = rows.product(u, scale);
      choose(
          {rows.moments.h, rows.moments.inverse_diagonal, made, sums, scale, rows.now.lut, i + 1 == sweeps},
          rows.now.code.select(0, u));
    }
  });
}

at::Tensor allowed_share(const at::Tensor& old, const at::Tensor& made, const at::Tensor& limit,
                         std::int64_t dim) {
  const at::Tensor lowest = at::minimum(limit, old);
  const at::Tensor way = old.sub(lowest).div_(old.sub(made).clamp_min_(1e-30)).mul_(kShortOf);
  return at::where(made.lt(lowest), way, at::ones_like(way)).amin(dim);
}

}  // namespace anemll
