#include "src/solve/internal/moments.hpp"

#include "anemll/core/error.hpp"
#include "src/kernels/parallel.hpp"
#include "src/solve/internal/cholesky.hpp"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/argsort.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/ones.h>

namespace anemll {
namespace {

constexpr std::int64_t kRowsPerTask = 128;

/// x (l l^T)^-1, rows in fixed shares.
at::Tensor solved_from_right(const at::Tensor& x, const at::Tensor& l) {
  const at::Tensor out = at::empty_like(x);
  const at::Tensor upper = l.t();
  const std::int64_t rows = x.size(0);
  kernels::parallel_for(
      (rows + kRowsPerTask - 1) / kRowsPerTask, 1, [&](std::int64_t begin, std::int64_t end) {
        const at::NoGradGuard inside;
        for (std::int64_t i = begin; i < end; ++i) {
          const std::int64_t first = i * kRowsPerTask;
          const std::int64_t count = std::min(kRowsPerTask, rows - first);
          const at::Tensor half =
              at::linalg_solve_triangular(upper, x.narrow(0, first, count), /*upper=*/true, /*left=*/false);
          out.narrow(0, first, count)
              .copy_(at::linalg_solve_triangular(l, half, /*upper=*/false, /*left=*/false));
        }
      });
  return out;
}

void require(bool good, const std::string& what, const std::string& where) {
  if (!good)
    throw_numerics(
        what, where,
        "the calibration met NaN or infinite activations, or its file is damaged: calibrate again");
}

}  // namespace

SolveMoments::SolveMoments(const at::Tensor& second, const at::Tensor& cross, const MomentOptions& options,
                           const std::string& where, CrossOf cross_of) {
  const at::NoGradGuard no_grad;
  const at::Tensor given = second.detach().to(at::kDouble);
  const bool full = given.dim() == 2;
  if (given.dim() < 1 || given.dim() > 2 || (full && given.size(0) != given.size(1)) || given.numel() == 0)
    throw_data("second moments are a square matrix or its diagonal", where, "");
  const bool fits = !cross.defined() || (full && cross.dim() == 2 && cross.size(1) == given.size(1) &&
                                         (cross_of == CrossOf::outputs || cross.size(0) == given.size(0)));
  if (!fits) throw_data("a cross moment goes with second moments of its own width", where, "");
  require(given.isfinite().all().item<bool>(), "a second moment is not a number", where);
  auto made = std::make_shared<Parts>();
  made->in = given.size(0);
  made->cross_of = cross_of;
  at::Tensor diagonal = full ? given.diagonal() : given;
  require(diagonal.min().item<double>() >= 0, "the mean square of an input is negative", where);
  // In the order of columns, whatever the threads.
  double sum = 0;
  const at::Tensor plain = diagonal.contiguous();
  for (std::int64_t i = 0; i < made->in; ++i) sum += plain.const_data_ptr<double>()[i];
  made->scale = sum / static_cast<double>(made->in);
  // An input that never was anything but zero: every weight is as good, so the nearest.
  const double by = made->scale > 0 ? made->scale : 1;
  made->ridge = made->scale > 0 ? options.ridge : 1;
  made->order = at::argsort(diagonal, /*stable=*/true, /*dim=*/0, /*descending=*/true);
  made->inverse = at::argsort(made->order);
  diagonal = diagonal.div(by).index_select(0, made->order);
  made->diagonal = diagonal.add(made->ridge).to(at::kFloat);
  if (full) {
    const auto ordered = [&](const at::Tensor& x) {
      return x.index_select(0, made->order).index_select(1, made->order);
    };
    const at::Tensor h = ordered(given).div_(by);
    h.add_(h.t().clone()).mul_(0.5);
    // The factor of the mirrored matrix, mirrored: upper instead of lower.
    const at::Tensor mirrored = h.flip({0, 1});
    mirrored.diagonal().add_(std::max(made->scale > 0 ? options.damp : 1.0, 1e-9));
    const at::Tensor l = lower_factor(mirrored);
    made->feedback = l.flip({0, 1}).t().to(at::kFloat).contiguous();
    made->inverse_feedback = made->feedback.diagonal().reciprocal().contiguous();
    if (cross.defined()) {
      require(cross.isfinite().all().item<bool>(), "a cross moment is not a number", where);
      const at::Tensor wide = cross.detach().to(at::kDouble);
      const at::Tensor c =
          made->cross_of == CrossOf::inputs ? ordered(wide) : wide.index_select(1, made->order);
      made->correction = solved_from_right(c.div_(by).flip({1}).contiguous(), l)
                             .flip({1})
                             .mul_(options.correction)
                             .to(at::kFloat)
                             .contiguous();
    }
    h.diagonal().add_(made->ridge);
    made->h = h.to(at::kFloat).contiguous();
    made->inverse_diagonal = made->h.diagonal().clamp_min(1e-30).reciprocal().contiguous();
  }
  parts_ = std::move(made);
}

SolveMoments even_moments(std::int64_t in) {
  return {at::ones({in}, at::kDouble), {}, {.damp = 0, .ridge = 0, .correction = 0}, "weight"};
}

}  // namespace anemll
