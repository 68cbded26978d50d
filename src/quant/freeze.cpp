// Thread split of the nearest-entry kernel, and its use to read indices back out of stored values.
#include "src/quant/internal/freeze.hpp"

#include "anemll/core/error.hpp"
#include "src/kernels/lut_weight_cpu.hpp"
#include "src/kernels/parallel.hpp"
#include "src/quant/internal/lut_weight.hpp"

#include <atomic>
#include <limits>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones_like.h>

namespace anemll {
namespace {

constexpr float kSmallestScale = 1e-8F;
constexpr std::int64_t kElementsPerTask = 1 << 14;
constexpr std::int64_t kSoundPerTiny = 1000;

}  // namespace

FrozenIndices freeze_indices(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& lut) {
  const at::NoGradGuard no_grad;
  if (!weight.sizes().equals(scale.sizes()))
    throw_data("weight and scale matrix differ in shape", "freeze",
               "check the shapes of scale_A and scale_B");
  const at::Tensor w = weight.detach().to(at::kFloat).contiguous();
  const at::Tensor s = scale.detach().to(at::kFloat).contiguous();
  const at::Tensor table = lut.detach().to(at::kFloat).contiguous();
  FrozenIndices frozen;
  frozen.indices = at::empty(w.sizes(), w.options().dtype(at::kByte));
  const float* weights = w.const_data_ptr<float>();
  const float* scales = s.const_data_ptr<float>();
  const kernels::LutView view{table.const_data_ptr<float>(), table.numel()};
  auto* index = frozen.indices.mutable_data_ptr<std::uint8_t>();
  std::atomic<std::int64_t> nan = 0;
  std::atomic<std::int64_t> tiny = 0;
  kernels::parallel_for(w.numel(), kElementsPerTask, [&](std::int64_t begin, std::int64_t end) {
    const kernels::NearestCounts counts = kernels::lut_nearest(weights + begin, scales + begin, view,
                                                               kSmallestScale, index + begin, end - begin);
    nan += counts.nan;
    tiny += counts.tiny_scale;
  });
  frozen.nan = nan;
  frozen.tiny_scale = tiny;
  return frozen;
}

std::vector<std::string> freeze_warnings(const FrozenIndices& frozen) {
  const std::int64_t weights = frozen.indices.numel();
  const auto count = [weights](std::int64_t some) {
    return std::to_string(some) + " of " + std::to_string(weights) + " weights ";
  };
  std::vector<std::string> warnings;
  if (frozen.nan > 0)
    warnings.push_back(count(frozen.nan) +
                       "divided by their scale are not numbers: they get the first table entry");
  if (frozen.tiny_scale * kSoundPerTiny > weights)
    warnings.push_back(count(frozen.tiny_scale) + "have a scale below 1e-8, which training can hardly raise");
  return warnings;
}

MatchedIndices match_values(const at::Tensor& values, const at::Tensor& lut) {
  const at::NoGradGuard no_grad;
  const at::Tensor q = values.detach().to(at::kFloat).contiguous();
  const at::Tensor table = lut.detach().to(at::kFloat).contiguous();
  MatchedIndices matched;
  matched.indices = freeze_indices(q, at::ones_like(q), table).indices;
  const double error = (lut_values(matched.indices, table, at::kFloat) - q).abs().max().item<double>();
  matched.largest_error = error == error ? error : std::numeric_limits<double>::infinity();
  return matched;
}

}  // namespace anemll
