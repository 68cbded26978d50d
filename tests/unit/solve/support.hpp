// Inputs with the shape of real ones, and plain formulas in fp64.
#pragma once

#include "src/solve/internal/rows.hpp"
#include "src/solve/solve.hpp"

#include <cstdint>
#include <memory>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>

namespace anemll::test {

/// [tokens, in]: correlated, and some inputs much larger than others.
inline at::Tensor inputs(std::int64_t tokens, std::int64_t in) {
  const at::Tensor mix = at::randn({in, in}, at::kDouble).mul_(0.3);
  mix.diagonal().add_(1.0);
  return at::randn({tokens, in}, at::kDouble).mm(mix).mul_(at::randn({in}, at::kDouble).exp_());
}

inline at::Tensor second_moments(const at::Tensor& x) {
  return x.t().mm(x).div_(static_cast<double>(x.size(0)));
}

inline SolveMoments moments_of(const at::Tensor& second, const MomentOptions& options = {}) {
  return {second, {}, options, "test"};
}

/// tr(e h e^T), rows counted by `counts` (double [out]).
inline double error_of(const at::Tensor& e, const at::Tensor& h, const at::Tensor& counts = {}) {
  const at::Tensor rows = e.to(at::kDouble).mm(h).mul_(e).sum(1);
  return (counts.defined() ? rows.mul(counts) : rows).sum().item<double>();
}

/// W^ of a solved linear as the layer computes it, double.
inline at::Tensor weight_of(const SolvedLinear& solved, const LinearQuant& quant) {
  const at::Tensor indices = solved.draft.tensors.at("._indices");
  LinearSpec spec;
  spec.name = "linear";
  spec.out = indices.size(0);
  spec.in = indices.size(1);
  return layer_type("v2")
      .make(spec, quant, solved.draft.tensors)
      ->effective_weight(at::kFloat)
      .to(at::kDouble);
}

inline LinearQuant quant_of(std::int64_t lut_size, std::int64_t rank, std::int64_t group_size = 16) {
  LinearQuant quant;
  quant.lut_size = lut_size;
  quant.rank = rank;
  quant.group_size = group_size;
  return quant;
}

/// A small linear in the middle of a solve, with scales that are positive and no limit on them.
class Small {
 public:
  Small(std::int64_t out, std::int64_t in, std::int64_t rank, std::int64_t lut_size,
        const MomentOptions& options)
      : weight(at::randn({out, in}).mul_(0.2)),
        second(second_moments(inputs(4 * in, in))),
        row_weight(at::rand({out}).add_(0.2)),
        comm_(make_single_communicator()),
        moments_(moments_of(second, options)),
        pool_(out, *comm_),
        rows{pool_, moments_.parts(), {}, {}, {}, {}} {
    const auto& order = moments_.parts().order;
    rows.target = pool_.take(weight.index_select(1, order)).transpose(1, 2).contiguous();
    rows.counts = pool_.take(row_weight);
    rows.counts.view({-1}).narrow(0, out, rows.counts.numel() - out).zero_();
    rows.limit = at::full_like(rows.counts, -1e30);
    rows.now.a = pool_.take(at::rand({out, rank}).add_(0.5).mul_(0.3));
    rows.now.b = at::rand({rank, in}).add_(0.5);
    rows.now.lut = at::linspace(-1, 1, lut_size);
    rows.now.code = pool_.take(at::randint(0, lut_size, {out, in}, at::kByte)).transpose(1, 2).contiguous();
  }

  // In the order of the columns of `rows`, double, without the filling.
  at::Tensor of_units(const at::Tensor& x) const {
    return pool_.gather(x.transpose(1, 2).contiguous().view({-1, x.size(1)}));
  }
  at::Tensor wanted() const { return of_units(rows.target).to(at::kDouble); }
  at::Tensor codes() const { return of_units(rows.now.code).to(at::kLong); }
  at::Tensor a() const { return pool_.gather(rows.now.a.reshape({-1, rows.rank()})).to(at::kDouble); }
  at::Tensor b() const { return rows.now.b.to(at::kDouble); }
  at::Tensor lut() const { return rows.now.lut.to(at::kDouble); }
  at::Tensor scales() const { return a().mm(b()); }
  at::Tensor entries() const { return lut().index_select(0, codes().flatten()).view(codes().sizes()); }
  at::Tensor made() const { return entries().mul(scales()); }
  /// H + ridge, of mean diagonal one.
  at::Tensor h() const { return moments_.parts().h.to(at::kDouble); }
  const SolveMoments::Parts& parts() const { return moments_.parts(); }
  at::Tensor counts() const { return row_weight.to(at::kDouble); }
  double error() const { return error_of(wanted().sub(made()), h(), counts()); }

  at::Tensor weight, second, row_weight;

 private:
  std::unique_ptr<Communicator> comm_;
  SolveMoments moments_;
  RowPool pool_;

 public:
  Rows rows;
};

}  // namespace anemll::test
