// A linear while it is solved: this rank's rows in units, columns in the order of the moments, rows adjacent.
// A step changes some of code, a, b and lut. All steps but choose_by_feedback() leave the error of what they
// look at at most where it was (but for float rounding), and every scale above its limit. One thread; all are
// collective.
#pragma once

#include "src/solve/internal/moments.hpp"
#include "src/solve/internal/pool.hpp"

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll {

/// What is chosen: W^ = lut[code] o (a b).
struct Chosen {
  at::Tensor code;  ///< uint8 [units, in, unit rows]
  at::Tensor a;     ///< float [units, unit rows, r]: scale_A times magnitude
  at::Tensor b;     ///< float [r, in], the same on all ranks
  at::Tensor lut;   ///< float [n] ascending, the same on all ranks
};

struct Rows {
  const RowPool& pool;
  const SolveMoments::Parts& moments;
  at::Tensor target;  ///< float [units, in, unit rows]
  at::Tensor counts;  ///< float [units, unit rows]: weights of rows, 0 for filling
  at::Tensor limit;   ///< float [units, unit rows]: the least scale of a row
  Chosen now;

  std::int64_t in() const { return now.b.size(1); }
  std::int64_t rank() const { return now.b.size(0); }
  // Of one unit, [in, unit rows].
  at::Tensor scales(std::int64_t u) const;
  at::Tensor entries(std::int64_t u) const;                            ///< lut[code]
  at::Tensor product(std::int64_t u, const at::Tensor& scales) const;  ///< lut[code] o scales
  at::Tensor error(std::int64_t u) const;                              ///< target - W^
  /// (H + ridge) times x [in, n].
  at::Tensor weighed(const at::Tensor& x) const;
};

struct OutputError {
  double with_ridge = 0;  ///< what the steps lower
  double plain = 0;       ///< tr(E H E^T)
};
OutputError output_error(const Rows& rows);
/// The same of W^ = 0.
double target_output(const Rows& rows);

// Indices.
void choose_nearest(Rows& rows);
/// From the first column to the last, each wants to undo what those before it left.
void choose_by_feedback(Rows& rows);
/// Each index in turn is the best one while all others stay, `sweeps` times.
void descend(Rows& rows, int sweeps);

// Least squares where column j counts `weight[j]` (float [in]) and columns do not see each other.
void fit_a_even(Rows& rows, const at::Tensor& weight);
void fit_b_even(Rows& rows);

// Least squares with all of H, by conjugate gradients from where they are, preconditioned by the diagonal of
// H.
/// Until of each row's squared residual at most the part `enough` is left, or 10 iterations.
void fit_a(Rows& rows, double enough);
/// At most `iterations`. Ends behind one that lowered the error by less than `share` of what all have.
void fit_b(Rows& rows, int iterations, double share);
/// Exact with as many iterations as the table has entries.
void fit_lut(Rows& rows, int iterations);

/// Sum over rows, counted by their weight, of lut[code_ij]^2 a_ik a_il for each column j, packed as
/// packed_squares does: double [in, packed_size(r)].
at::Tensor column_systems(const Rows& rows);

/// The share of the way from `old` to `made` that may be gone with no scale under its limit, for each row
/// [n] (dim 0 is reduced) or each column (dim 1). What is under the limit already may stay there.
at::Tensor allowed_share(const at::Tensor& old, const at::Tensor& made, const at::Tensor& limit,
                         std::int64_t dim);
/// For each column [in], over the rows of all ranks, on the way of B to `b`.
at::Tensor column_shares(const Rows& rows, const at::Tensor& b);

}  // namespace anemll
