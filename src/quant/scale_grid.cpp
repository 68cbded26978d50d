#include "src/quant/scale_grid.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/quant/positive_scales.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/where.h>

namespace anemll {
namespace {

constexpr int kSignificantBits = 4;     // with the 7 bits of a code they fill the 11 of a half
constexpr int kSmallestExponent = -24;  // of a half that is not normal
constexpr double kLargestHalf = 65504;
// What a row must reach after rounding. Sums of floats move it by less than the half that is above the bound.
constexpr double kFirm = 1.5 * kSmallestPositiveScale;
constexpr int kRoundings = 60;            // the aim doubles in each; a half has 40 binary orders
constexpr std::int64_t kBlock = 1 << 21;  // scales of a block of rows
// Steps grow by so much where rows at the end of the grid cannot be raised.
constexpr double kRooms[] = {1.0, 1.25, 1.5, 2.0};

[[noreturn]] void no_grid(const char* problem) {
  throw_numerics(
      problem, "--scale-bits 8",
      "anemll_inspect layers shows the scales of every linear; --scale-bits 16 stores them as halves");
}

/// The smallest step, of kSignificantBits, that is at least `least`.
double step_above(double least) {
  if (!(least > 0)) return std::ldexp(1.0, kSmallestExponent);
  int exponent = 0;
  std::frexp(least, &exponent);
  const double unit = std::ldexp(1.0, std::max(exponent - kSignificantBits, kSmallestExponent));
  return std::ceil(least / unit) * unit;
}

/// Along the ranks: [1, r] for A, [r, 1] for B.
at::Tensor beside(const at::Tensor& steps, std::int64_t rank_dim) {
  return steps.unsqueeze(1 - rank_dim);
}

at::Tensor steps_with_room(const at::Tensor& factor, std::int64_t rank_dim, double room) {
  const at::Tensor largest =
      factor.detach().abs().amax({1 - rank_dim}).to(at::kCPU, at::kDouble).contiguous();
  const at::Tensor steps = at::empty({largest.numel()}, at::kFloat);
  const double* from = largest.const_data_ptr<double>();
  float* to = steps.mutable_data_ptr<float>();
  for (std::int64_t k = 0; k < largest.numel(); ++k) {
    if (!std::isfinite(from[k])) no_grid("scales are infinite or not numbers");
    const double step = step_above(room * from[k] / static_cast<double>(kGridLevels));
    if (step * static_cast<double>(kGridLevels) > kLargestHalf)
      no_grid("scales are larger than halves can be");
    to[k] = static_cast<float>(step);
  }
  return steps.to(factor.device());
}

/// As readers multiply: floats. Of every row of `rows` [n, r], [n, 1].
at::Tensor lowest(const at::Tensor& rows, const at::Tensor& other) {
  return rows.to(at::kFloat).mm(other.to(at::kFloat)).amin(1, true).to(at::kDouble);
}

/// Rows of one factor [n, r] to be rounded while the other, [r, m], stays.
struct Rounding {
  at::Tensor steps;      // [r]
  at::Tensor other;      // [r, m], double
  at::Tensor direction;  // [1, r] with direction other > 0
  std::int64_t raised = 0;

  /// `least` [n, 1]: what the row's scales must reach. Undefined where that was not found.
  at::Tensor block(const at::Tensor& rows, const at::Tensor& least) {
    at::Tensor made = nearest_on_grid(rows, steps, 1).to(at::kDouble);
    at::Tensor low = lowest(made, other).lt(least).view({-1}).nonzero().view({-1});
    raised += low.numel();
    at::Tensor aim = least.abs().mul(2);
    const at::Tensor reach = direction.mm(other);
    for (int i = 0; i < kRoundings && low.numel() > 0; ++i) {
      const at::Tensor row = rows.index_select(0, low);
      const at::Tensor missing = aim.index_select(0, low).sub(row.mm(other)).div_(reach).amax(1, true);
      const at::Tensor moved = nearest_on_grid(row.add(missing.clamp_min_(0).mul(direction)), steps, 1);
      made.index_copy_(0, low, moved.to(at::kDouble));
      low = low.index_select(
          0, lowest(moved, other).lt(least.index_select(0, low)).view({-1}).nonzero().view({-1}));
      aim.mul_(2);
    }
    return low.numel() == 0 ? made : at::Tensor();
  }

  at::Tensor all(const at::Tensor& rows, const at::Tensor& least) {
    const std::int64_t at_once = std::max<std::int64_t>(1, kBlock / other.size(1));
    std::vector<at::Tensor> parts;
    for (std::int64_t first = 0; first < rows.size(0); first += at_once) {
      const std::int64_t count = std::min(at_once, rows.size(0) - first);
      parts.push_back(block(rows.narrow(0, first, count), least.narrow(0, first, count)));
      if (!parts.back().defined()) return {};
    }
    return at::cat(parts, 0);
  }
};

/// The smallest of the products of each row of A with B, a block at a time.
at::Tensor lowest_scales(const at::Tensor& a, const at::Tensor& b) {
  const std::int64_t at_once = std::max<std::int64_t>(1, kBlock / b.size(1));
  std::vector<at::Tensor> parts;
  for (std::int64_t first = 0; first < a.size(0); first += at_once)
    parts.push_back(lowest(a.narrow(0, first, std::min(at_once, a.size(0) - first)), b));
  return at::cat(parts, 0);
}

GridScales rounded_evenly(const at::Tensor& a, const at::Tensor& b) {
  return {nearest_on_grid(a, grid_steps(a, 1), 1), nearest_on_grid(b, grid_steps(b, 0), 0)};
}

}  // namespace

void require_scale_bits(std::int64_t bits) {
  if (bits != 8 && bits != 16)
    throw_usage(strf("scales have no form of %lld bits", static_cast<long long>(bits)), "--scale-bits",
                "give 8 or 16");
}

at::Tensor grid_steps(const at::Tensor& factor, std::int64_t rank_dim) {
  return steps_with_room(factor, rank_dim, 1.0);
}

at::Tensor nearest_on_grid(const at::Tensor& factor, const at::Tensor& steps, std::int64_t rank_dim) {
  const at::NoGradGuard no_grad;
  const at::Tensor wide = beside(steps, rank_dim).to(at::kDouble);
  constexpr double kLevels = static_cast<double>(kGridLevels);
  return factor.detach()
      .to(at::kDouble)
      .div(wide)
      .round_()
      .clamp_(-kLevels, kLevels)
      .mul_(wide)
      .to(at::kFloat);
}

GridScales to_scale_grid(const at::Tensor& a, const at::Tensor& b) {
  const at::NoGradGuard no_grad;
  if (grid_codes(a, 1) && grid_codes(b, 0)) return {a.to(at::kFloat), b.to(at::kFloat)};
  const at::Tensor rows = a.detach().to(at::kDouble);
  const at::Tensor columns = b.detach().to(at::kDouble).t().contiguous();
  const at::Tensor was = lowest_scales(rows, columns.t());
  const at::Tensor held = was.ge(kSmallestPositiveScale);
  const at::Tensor chosen = held.view({-1}).nonzero().view({-1});
  if (chosen.numel() == 0) return rounded_evenly(a, b);

  const at::Tensor direction = rows.index_select(0, chosen).mean(0, true);
  // The direction must stay one: what it makes of a column of B keeps at least half of its size.
  const at::Tensor reach = columns.mm(direction.t());
  const at::Tensor nothing = at::full_like(was, -std::numeric_limits<double>::infinity());
  for (const double room : kRooms) {
    Rounding of_b{steps_with_room(columns, 1, room), direction.t(), columns.mean(0, true)};
    const at::Tensor made_b = of_b.all(columns, reach.mul(0.5));
    if (!made_b.defined()) continue;
    Rounding of_a{steps_with_room(rows, 1, room), made_b.t(), direction};
    const at::Tensor made_a = of_a.all(rows, at::where(held, at::full_like(was, kFirm), nothing));
    if (made_a.defined())
      return {made_a.to(at::kFloat).contiguous(), made_b.t().to(at::kFloat).contiguous(), of_a.raised};
  }
  no_grid("no positive scales were found on an 8-bit grid");
}

at::Tensor GridCodes::values(std::int64_t rank_dim) const {
  return codes.to(at::kFloat).mul(beside(steps, rank_dim));
}

std::optional<GridCodes> grid_codes(const at::Tensor& factor, std::int64_t rank_dim) {
  const at::NoGradGuard no_grad;
  const at::Tensor ranks =
      (rank_dim == 0 ? factor : factor.t()).detach().to(at::kCPU, at::kDouble).contiguous();
  const std::int64_t rank = ranks.size(0), count = ranks.size(1);
  const at::Tensor codes = at::empty({rank, count}, at::kChar);
  const at::Tensor steps = at::empty({rank}, at::kFloat);
  const double* from = ranks.const_data_ptr<double>();
  std::int8_t* code = codes.mutable_data_ptr<std::int8_t>();
  const double unit = std::ldexp(1.0, kSmallestExponent);
  for (std::int64_t k = 0; k < rank; ++k, from += count, code += count) {
    std::int64_t step = 0, largest = 0;  // in units
    for (std::int64_t i = 0; i < count; ++i) {
      const double units = std::abs(from[i]) / unit;
      if (!(std::abs(from[i]) <= kLargestHalf) || units != std::floor(units)) return std::nullopt;
      step = std::gcd(step, static_cast<std::int64_t>(units));
      largest = std::max(largest, static_cast<std::int64_t>(units));
    }
    if (step > 0 && largest / step > kGridLevels) return std::nullopt;
    const double size = static_cast<double>(step) * unit;
    for (std::int64_t i = 0; i < count; ++i)
      code[i] = step == 0 ? std::int8_t{0} : static_cast<std::int8_t>(from[i] / size);
    steps.mutable_data_ptr<float>()[k] = static_cast<float>(size);
  }
  return GridCodes{rank_dim == 0 ? codes : codes.t().contiguous(), steps};
}

}  // namespace anemll
