// Second moments of the inputs of one linear: sums over tokens of w x x^T. Products are fp32 over fixed
// chunks of tokens, sums of chunks are fp64 in the order of the calls, so that neither threads nor their
// number change a bit. Sums over the sequences of several ranks: moment_sum.hpp. One thread per object.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll {

/// What is kept beside the diagonal.
struct MomentParts {
  bool full = false;       ///< the whole matrix
  std::int64_t cross = 0;  ///< width m of other values of the same tokens that x is held against; 0: none
};

struct Moments {
  std::int64_t columns = 0;  ///< n, the width of the inputs
  std::int64_t tokens = 0;   ///< with a weight above 0
  double weight = 0;         ///< sum over the tokens
  at::Tensor diagonal;       ///< [n] fp64, sum of w x_j^2; always there
  at::Tensor full;           ///< [n, n] fp64, symmetric, with this diagonal; undefined unless asked for
  at::Tensor cross;  ///< [m, n] fp64, sum of w o x^T (row: the other value's); undefined unless asked for

  // How much single tokens hold, before and after their weights.
  double plain_trace = 0;    ///< sum of |x|^2
  double plain_largest = 0;  ///< the largest |x|^2
  double largest = 0;        ///< the largest w |x|^2

  Moments() = default;
  Moments(std::int64_t n, MomentParts parts);

  MomentParts parts() const { return {full.defined(), cross.defined() ? cross.size(0) : 0}; }
  /// Adds tokens. x: [N, n] fp32, on the CPU. weights: [N] fp32, none below 0; undefined: 1 for each.
  /// other: [N, m] fp32, the values that `cross` holds x against. Tokens of weight 0 leave no trace.
  void add(const at::Tensor& x, const at::Tensor& weights = {}, const at::Tensor& other = {});
  /// Adds what other tokens gave. Both have the same columns and parts.
  void combine(const Moments& more);
  /// Sum of the diagonal.
  double trace() const;
  /// Scales the sums so that the mean weight of a token is 1. Without a token nothing changes.
  void normalise();
};

/// w |x|^2 of each token, in fp64. Arguments as those of Moments::add; out: [N] fp64.
at::Tensor token_traces(const at::Tensor& x, const at::Tensor& weights = {});

}  // namespace anemll
