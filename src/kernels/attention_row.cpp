// When attention of single queries runs, and how it is split over threads.
#include "src/kernels/internal/attention_row.hpp"

#include "src/kernels/internal/attention_row_cpu.hpp"
#include "src/kernels/parallel.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>

namespace anemll::kernels {
namespace {

using Index = std::int64_t;

constexpr Index kGrainWork = 1 << 16;  // multiply-adds; below this a thread costs more than it saves

/// Positions may be far apart and rows farther, as in a cache; the heads of a position lie together.
bool is_dense_position(const at::Tensor& x) {
  return x.scalar_type() == at::kFloat && x.stride(3) == 1 && x.stride(2) == x.size(3);
}

}  // namespace

bool takes_row_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor&) {
  const bool gradients =
      at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
  return q.size(1) == 1 && !gradients && q.scalar_type() == at::kFloat && is_dense_position(k) &&
         is_dense_position(v) && k.strides() == v.strides();
}

at::Tensor row_attention(const at::Tensor& query, const at::Tensor& k, const at::Tensor& v,
                         const at::Tensor& allowed) {
  const at::NoGradGuard no_grad;
  const at::Tensor q = query.contiguous();
  at::Tensor out = at::empty_like(q);
  const Index keys = k.size(1);
  const Index heads = q.size(2);
  const Index kv_heads = k.size(2);
  const Index dim = q.size(3);
  const Index groups = heads / kv_heads;
  const at::Tensor mask =
      allowed.defined() ? allowed.expand({q.size(0), 1, 1, keys}).contiguous() : at::Tensor();
  const auto* seen = mask.defined() ? static_cast<const std::uint8_t*>(mask.const_data_ptr()) : nullptr;
  const float* from = q.const_data_ptr<float>();
  const float* first_key = k.const_data_ptr<float>();
  const float* first_value = v.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  const Index work = std::max<Index>(2 * keys * dim * groups, 1);
  parallel_for(q.size(0) * kv_heads, std::max<Index>(kGrainWork / work, 1), [&](Index begin, Index end) {
    std::vector<float> scores(static_cast<std::size_t>(keys));
    for (Index unit = begin; unit < end; ++unit) {
      const Index row = unit / kv_heads;
      const Index head = unit % kv_heads;
      const Index place = row * k.stride(0) + head * dim;
      const Index first = row * heads * dim + head * groups * dim;
      attend_row({keys, dim, groups, k.stride(1), from + first, first_key + place, first_value + place,
                  seen != nullptr ? seen + row * keys : nullptr, scores.data(), to + first});
    }
  });
  return out;
}

}  // namespace anemll::kernels
