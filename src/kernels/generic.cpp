#include "src/kernels/internal/generic.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rms_norm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>

namespace anemll::kernels {
namespace generic {
namespace {

/// One kernel a direction on a GPU; elsewhere LibTorch composes it.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  return at::rms_norm(x, {x.size(-1)}, weight, eps);
}

}  // namespace

Normed add_rms_norm(const at::Tensor& hidden, const at::Tensor& delta, const at::Tensor& weight, double eps,
                    at::ScalarType dtype) {
  const at::Tensor sum = delta.defined() ? hidden + delta : hidden;  // a bf16 delta is widened as it is read
  return {sum, rms_norm(sum, weight, eps).to(dtype)};
}

at::Tensor head_norm_rope(const at::Tensor& x, const at::Tensor& weight, double eps, const at::Tensor& cosine,
                          const at::Tensor& sine) {
  const std::int64_t length = x.size(1);
  const std::int64_t half = x.size(3) / 2;
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor y = weight.defined() ? rms_norm(wide, weight, eps) : wide;
  const at::Tensor c = cosine.narrow(0, 0, length).unsqueeze(1);  // [L, 1, half]
  const at::Tensor s = sine.narrow(0, 0, length).unsqueeze(1);
  const at::Tensor u = y.narrow(3, 0, half);
  const at::Tensor v = y.narrow(3, half, half);
  return at::cat({u * c - v * s, v * c + u * s}, 3).to(x.scalar_type());
}

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  return (at::silu(gate.to(at::kFloat)) * up.to(at::kFloat)).to(gate.scalar_type());
}

at::Tensor geglu(const at::Tensor& gate, const at::Tensor& up) {
  return (at::gelu(gate.to(at::kFloat), "tanh") * up.to(at::kFloat)).to(gate.scalar_type());
}

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const at::Tensor& allowed) {
  const std::int64_t groups = q.size(2) / k.size(2);
  // Each kv head serves `groups` consecutive query heads. Repeating instead of the operator's own grouping:
  // LibTorch 2.6 has that one on few backends.
  const auto repeat = [groups](const at::Tensor& x) {
    return (groups == 1 ? x : x.repeat_interleave(groups, 2)).transpose(1, 2);
  };
  // The operator's own causal rule starts at the first key, ours ends at the last; one query sees all keys.
  const std::int64_t queries = q.size(1), keys = k.size(1);
  std::optional<at::Tensor> mask;
  if (allowed.defined()) {
    mask = allowed;
  } else if (queries != keys && queries > 1) {
    mask = at::ones({queries, keys}, q.options().dtype(at::kBool)).tril(keys - queries);
  }
  return at::scaled_dot_product_attention(q.transpose(1, 2), repeat(k), repeat(v), mask, 0.0,
                                          /*is_causal=*/!mask && queries == keys)
      .transpose(1, 2);
}

}  // namespace generic

at::Tensor attention_mask(const at::Tensor& padding, std::int64_t queries, std::int64_t keys,
                          std::int64_t window, at::Device device) {
  const at::Tensor keep = padding.defined() ? padding.to(device).ne(0) : at::Tensor();
  const bool padded = keep.defined() && !keep.all().item<bool>();
  const bool narrow = window > 0 && window < keys;
  if (!padded && !narrow) return {};
  const std::int64_t diagonal = keys - queries;  // a query's own key
  const auto ones = [&] { return at::ones({queries, keys}, at::TensorOptions(device).dtype(at::kBool)); };
  at::Tensor allowed = ones().tril(diagonal);
  if (narrow) allowed = allowed.triu(diagonal - window + 1);
  if (!padded) return allowed.unsqueeze(0).unsqueeze(0);
  allowed = allowed.unsqueeze(0).logical_and(keep.unsqueeze(1));  // [B, queries, keys]
  const at::Tensor self = ones().tril(diagonal).triu(diagonal);
  const at::Tensor empty = allowed.any(-1, /*keepdim=*/true).logical_not();
  return allowed.logical_or(self.unsqueeze(0).logical_and(empty)).unsqueeze(1);
}

}  // namespace anemll::kernels
