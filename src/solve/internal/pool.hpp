// Which rows a rank has, and sums over the rows of all ranks. Rows go in units of fixed length, every unit is
// computed by itself, and sums of units are exact (kernels::add_on_grid), so that neither ranks nor threads
// change a bit. Sums are collective, from one thread.
#pragma once

#include "anemll/comm/communicator.hpp"

#include <cstdint>
#include <functional>

#include <ATen/core/Tensor.h>

namespace anemll {

/// Rows of a unit: a multiple of kernels::kFeedbackLanes, and a product of that width is still a fast one.
inline constexpr std::int64_t kUnitRows = 96;

class RowPool {
 public:
  RowPool(std::int64_t rows, Communicator& comm);

  std::int64_t rows() const { return rows_; }
  std::int64_t units() const { return count_; }  ///< of this rank, one after the other
  std::int64_t first_row() const { return first_ * kUnitRows; }
  /// Rows of this rank that are no filling; 0 or more.
  std::int64_t own_rows() const;

  /// Calls body(u) for each unit of this rank, in parallel, without autograd.
  void for_units(const std::function<void(std::int64_t)>& body) const;

  /// parts [units(), ...] float or double, one of each unit -> double [...], the sum over the units of all
  /// ranks. Numerics error on all ranks when one is not finite.
  at::Tensor sum(const at::Tensor& parts) const;
  /// A number whose grid holds sums of values that together are at most `bound` in magnitude.
  static double grid_of(double bound);
  /// Sums over ranks of what lies on one grid already, in place.
  void sum_ranks(at::Tensor& values) const;
  /// The largest over ranks of each entry of a double tensor, in place.
  void max_ranks(at::Tensor& values) const;
  double max_ranks(double mine) const;

  /// Own rows [units() kUnitRows, ...] -> all rows [rows(), ...] on every rank.
  at::Tensor gather(const at::Tensor& mine) const;
  /// All rows [rows(), ...] -> own units [units(), kUnitRows, ...]; the last row fills up the last unit.
  at::Tensor take(const at::Tensor& all) const;

 private:
  std::int64_t rows_, all_units_, first_, count_;
  Communicator& comm_;
};

}  // namespace anemll
