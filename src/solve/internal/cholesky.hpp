// Cholesky factors whose bits do not depend on the number of threads, which LAPACK does not promise. Large
// ones by tiles, each tile one product on one thread; many small ones side by side. A pivot that is not
// positive, which rounding can make, drops its unknown: what it stands for stays where it is.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll {

/// Lower L with L L^T = matrix, double [n, n] symmetric; its upper triangle is zero.
at::Tensor lower_factor(const at::Tensor& matrix);

/// Number of entries of a symmetric matrix of `rank` that are kept.
constexpr std::int64_t packed_size(std::int64_t rank) {
  return rank * (rank + 1) / 2;
}
/// x_i x_j for i <= j of each row of x [n, r]: [n, packed_size(r)].
at::Tensor packed_squares(const at::Tensor& x);

/// Many systems of a few unknowns.
class SmallSystems {
 public:
  /// `packed` [count, packed_size(rank)], float or double, in the order of packed_squares. `ridge`, of the
  /// mean diagonal, is added to each diagonal.
  SmallSystems(const at::Tensor& packed, std::int64_t rank, double ridge);
  /// The solutions for `right` [count, rank], in its type.
  at::Tensor solve(const at::Tensor& right) const;

 private:
  std::int64_t rank_;
  at::Tensor factors_;  // double [count, rank, rank], the lower triangle of each
};

}  // namespace anemll
