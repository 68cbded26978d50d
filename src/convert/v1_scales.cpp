// The scales of V1 linears against those of the V2 linears that they became.
#include "src/convert/internal/layer_tensors_of.hpp"
#include "src/convert/v1_to_v2.hpp"

#include <cstddef>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/mm.h>

namespace anemll {
namespace {

constexpr double kSmallestScale = 1e-8;

/// [out, in], before anything is raised.
at::Tensor v1_scales(QuantLayer& layer) {
  const LayerTensors t = tensors_of(layer);
  const auto full = t.find(".full_scales");
  const at::Tensor scales = full != t.end() ? full->second : at::mm(t.at(".scale_A"), t.at(".scale_B"));
  return scales.narrow(1, 0, layer.in());
}

}  // namespace

std::vector<ScaleDifference> compare_scales(Student& v1, Student& v2) {
  const at::NoGradGuard no_grad;
  std::vector<ScaleDifference> differences;
  for (std::size_t i = 0; i < v1.layers().size(); ++i) {
    QuantLayer& before = *v1.layers()[i];
    QuantLayer& after = *v2.layers()[i];
    if (before.quant().type != "v1") continue;
    const at::Tensor old = v1_scales(before).to(at::kDouble);
    const at::Tensor raised = old.lt(kSmallestScale);
    const at::Tensor kept = old.masked_fill(raised, 0);
    const at::Tensor now = scale_matrix(after).to(at::kDouble).masked_fill(raised, 0);
    const double norm = kept.norm().item<double>();
    ScaleDifference difference;
    difference.linear = before.name();
    difference.kept_rank = before.quant().rank == after.quant().rank;
    difference.error = norm > 0 ? (now - kept).norm().item<double>() / norm : 0;
    difference.raised = raised.sum().item<std::int64_t>();
    difference.weights = old.numel();
    differences.push_back(std::move(difference));
  }
  return differences;
}

}  // namespace anemll
