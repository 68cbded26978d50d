#include "src/distill/kd_rows.hpp"

#include "anemll/core/error.hpp"
#include "src/distill/objective.hpp"
#include "src/kernels/product.hpp"

#include <string>

#include <ATen/ops/empty.h>

namespace anemll::kd {

CpuInputs::CpuInputs(const at::Tensor& hidden_in, const at::Tensor& head_in, const KdTargets& targets,
                     const KdLossOptions& options)
    : hidden(hidden_in.to(at::kFloat).contiguous()),
      head(head_in.contiguous()),
      idx(targets.topk_idx.to(at::kInt).contiguous()),
      logits(targets.topk_logits.to(at::kFloat).contiguous()),
      weight(targets.weight.to(at::kFloat).contiguous()),
      tokens(static_cast<std::size_t>(hidden.size(0))),
      width(static_cast<std::size_t>(hidden.size(1))),
      vocab(static_cast<std::size_t>(head.size(0))),
      cached(static_cast<std::size_t>(idx.size(1))),
      sampled(0) {
  if (options.sampled_ce_weight > 0) {
    negatives = targets.negatives.to(at::kInt).contiguous();
    sampled = static_cast<std::size_t>(negatives.size(1));
  }
  if (options.objective->payloads.has(Payload::lse)) lse = targets.teacher_lse.to(at::kFloat).contiguous();
  if (options.objective->payloads.has(Payload::hidden))
    teacher_hidden = targets.teacher_hidden.to(at::kFloat);
}

void CpuInputs::candidates(std::size_t row, std::span<std::size_t> ids) const {
  const std::int32_t* top = idx.const_data_ptr<std::int32_t>() + row * cached;
  for (std::size_t k = 0; k < cached; ++k) ids[k] = static_cast<std::size_t>(top[k]);
  if (sampled == 0) return;
  const std::int32_t* negative = negatives.const_data_ptr<std::int32_t>() + row * sampled;
  for (std::size_t k = 0; k < sampled; ++k) ids[cached + k] = static_cast<std::size_t>(negative[k]);
}

void CpuInputs::check_ids() const {
  std::vector<std::size_t> ids(cached + sampled);
  for (std::size_t row = 0; row < tokens; ++row) {
    if (weight_of(row) == 0) continue;
    candidates(row, ids);
    for (const std::size_t id : ids) {
      if (id >= vocab) {  // negative ids wrap to huge ones
        throw_data("a candidate id is outside the vocabulary of " + std::to_string(vocab),
                   "distillation targets, token " + std::to_string(row) + ", id " +
                       std::to_string(static_cast<std::int64_t>(id)),
                   "the cache belongs to a model with another vocabulary");
      }
    }
  }
}

KdLossSums TokenValues::sum(const CpuInputs& in, const KdLossOptions& options) const {
  KdLossSums sums;
  for (std::size_t row = 0; row < in.tokens; ++row) {
    const double weight = in.weight_of(row);
    if (weight == 0) continue;
    sums.kl += weight * kl[row];
    sums.ce += weight * ce[row];
    sums.sampled_ce += weight * sampled_ce[row];
    sums.tokens += weight;
  }
  sums.total = sums.kl + (options.hard_top1 + options.hard_full) * sums.ce +
               options.sampled_ce_weight * sums.sampled_ce;
  return sums;
}

HeadProduct::HeadProduct(const CpuInputs& in, std::int64_t chunk, bool with_gradient)
    : head_(in.head), buffer_(at::empty({chunk, in.head.size(0)}, in.head.options())) {
  if (with_gradient && head_.scalar_type() != at::kFloat)
    product_ = at::empty({chunk, head_.size(1)}, head_.options());
}

at::Tensor HeadProduct::logits(const at::Tensor& rows) {
  at::Tensor part = buffer_.narrow(0, 0, rows.size(0));
  kernels::mm_out(part, rows.to(head_.scalar_type()), head_.t());
  return part;
}

void HeadProduct::backward(const at::Tensor& slopes, at::Tensor out) {
  if (!product_.defined()) {
    kernels::mm_out(out, slopes, head_);
    return;
  }
  at::Tensor low = product_.narrow(0, 0, slopes.size(0));
  kernels::mm_out(low, slopes, head_);
  out.copy_(low);
}

}  // namespace anemll::kd
