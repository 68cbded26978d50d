// Small layers with known content, and comparisons, for the tests of this room.
#pragma once

#include "src/quant/internal/lut.hpp"
#include "src/quant/internal/v2_layer.hpp"

#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>

namespace anemll::test {

inline at::Tensor floats(const std::vector<float>& values, at::IntArrayRef shape) {
  return at::tensor(values, at::kFloat).view(shape);
}

/// Largest |a - b| over the largest |b|.
inline double relative_error(const at::Tensor& a, const at::Tensor& b) {
  const double scale = b.abs().max().item<double>();
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>() / (scale > 0 ? scale : 1.0);
}

/// ||a - b|| / ||b||
inline double relative_norm(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).norm().item<double>() /
         b.to(at::kDouble).norm().item<double>();
}

inline at::Tensor lut_tensor(std::int64_t n) {
  return at::tensor(make_lut(n), at::kFloat);
}

/// A layer with random factors and indices.
inline V2Linear::Tensors random_layer(std::int64_t out, std::int64_t in, std::int64_t rank,
                                      std::int64_t lut_size) {
  V2Linear::Tensors tensors;
  tensors.scale_A = at::randn({out, rank});
  tensors.scale_B = at::randn({rank, in});
  tensors.rank_magnitude = at::randn({rank});
  tensors.lut = lut_tensor(lut_size);
  tensors.indices = at::randint(0, lut_size, {out, in}, at::kByte);
  return tensors;
}

/// Copies whose parameters are fresh leaves.
inline V2Linear::Tensors leaves(const V2Linear::Tensors& from, bool a = true, bool b = true, bool g = true) {
  V2Linear::Tensors tensors = from;
  tensors.scale_A = from.scale_A.detach().clone().set_requires_grad(a);
  tensors.scale_B = from.scale_B.detach().clone().set_requires_grad(b);
  tensors.rank_magnitude = from.rank_magnitude.detach().clone().set_requires_grad(g);
  return tensors;
}

}  // namespace anemll::test
