#include "src/convert/internal/expand_scales.hpp"

#include "src/core/rng.hpp"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

namespace anemll {
namespace {

at::Tensor random_numbers(std::int64_t rows, std::int64_t columns, std::uint64_t seed, std::uint64_t stream) {
  const CounterRng rng(seed, stream);
  at::Tensor numbers = at::empty({rows, columns}, at::kFloat);
  auto* values = numbers.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < numbers.numel(); ++i)
    values[i] = static_cast<float>(kNewDirection * rng.normal(static_cast<std::uint64_t>(i)));
  return numbers;
}

}  // namespace

ScaleSet with_rank(const ScaleSet& scales, std::int64_t rank, std::uint64_t seed, std::uint64_t stream,
                   bool first) {
  const at::NoGradGuard no_grad;
  const std::int64_t have = scales.g.size(0);
  if (rank == have) return {scales.a.clone(), scales.b.clone(), scales.g.clone()};
  if (rank < have) {
    const at::Tensor kept =
        first
            ? at::arange(rank, at::kLong)
            : std::get<0>(
                  scales.g.abs().argsort(/*stable=*/true, 0, /*descending=*/true).narrow(0, 0, rank).sort());
    return {scales.a.index_select(1, kept), scales.b.index_select(0, kept), scales.g.index_select(0, kept)};
  }
  const std::int64_t more = rank - have;
  return {at::cat({scales.a, random_numbers(scales.a.size(0), more, seed, 2 * stream)}, 1),
          at::cat({scales.b, random_numbers(more, scales.b.size(1), seed, 2 * stream + 1)}, 0),
          at::cat({scales.g, at::full({more}, kNewMagnitude, at::kFloat)}, 0)};
}

}  // namespace anemll
