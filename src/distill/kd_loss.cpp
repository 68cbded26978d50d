// Checks, and the row of the operation.
#include "src/distill/kd_loss.hpp"

#include "anemll/core/error.hpp"
#include "src/distill/kd_rows.hpp"
#include "src/distill/objective.hpp"
#include "src/kernels/dispatch.hpp"

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

namespace anemll {
namespace {

void require(bool condition, const std::string& what) {
  if (!condition) throw_usage(what, "distillation loss", "");
}

void check_arguments(const at::Tensor& hidden, const at::Tensor& head, const KdTargets& targets,
                     const KdLossOptions& options, const at::Tensor& gradient) {
  require(hidden.dim() == 2 && head.dim() == 2 && hidden.size(1) == head.size(1),
          "hidden [N, H] and head [V, H] do not fit together");
  const std::int64_t tokens = hidden.size(0);
  const auto fits = [&](const at::Tensor& t) { return t.defined() && t.dim() == 2 && t.size(0) == tokens; };
  require(fits(targets.topk_idx) && fits(targets.topk_logits) &&
              targets.topk_idx.sizes() == targets.topk_logits.sizes(),
          "top-k ids and logits must both be [N, K]");
  const bool first_choice = options.hard_top1 + options.hard_full > 0;
  require(targets.topk_idx.size(1) > 0 || !(first_choice || options.objective->payloads.has(Payload::topk)),
          "the loss needs top-k ids and logits, and there are none");
  require(targets.weight.defined() && targets.weight.dim() == 1 && targets.weight.size(0) == tokens,
          "row weights must be [N]");
  require(options.sampled_ce_weight == 0 || fits(targets.negatives),
          "the sampled cross-entropy needs negatives [N, R]");
  const std::string objective(options.objective->name);
  require(!options.objective->payloads.has(Payload::lse) ||
              (targets.teacher_lse.defined() && targets.teacher_lse.sizes() == targets.weight.sizes()),
          objective + " needs the teacher's log-sum-exp [N]");
  require(!options.objective->payloads.has(Payload::hidden) ||
              (targets.teacher_hidden.defined() && targets.teacher_hidden.sizes() == hidden.sizes()),
          objective + " needs the teacher's hidden states [N, H]");
  require(!gradient.defined() || (gradient.sizes() == hidden.sizes() && gradient.is_contiguous()),
          "the gradient must be contiguous and of the hidden states' shape");
  require(options.temperature > 0, "the temperature must be positive");
  require(options.hard_top1 >= 0 && options.hard_full >= 0 && options.sampled_ce_weight >= 0,
          "loss weights must not be negative");
  require(options.chunk_tokens > 0, "the chunk must hold at least one token");
}

bool has_kernels(const at::Tensor& hidden, const at::Tensor& head, const KdTargets&,
                 const KdLossOptions& options, const at::Tensor& gradient) {
  return options.objective->on_cpu != nullptr && kernels::is_kernel_type(head.scalar_type()) &&
         hidden.scalar_type() != at::kDouble && (!gradient.defined() || gradient.scalar_type() == at::kFloat);
}

KdLossSums loss_on_cpu(const at::Tensor& hidden, const at::Tensor& head, const KdTargets& targets,
                       const KdLossOptions& options, const at::Tensor& gradient) {
  if (hidden.size(0) == 0) return {};
  const kd::CpuInputs in(hidden, head, targets, options);
  in.check_ids();
  return options.objective->on_cpu(in, options, gradient);
}

constexpr kernels::Operation<decltype(kd_loss)> kKdLoss(kd_loss_generic,
                                                        {{at::kCPU, loss_on_cpu, has_kernels}});

}  // namespace

KdLossSums kd_loss(const at::Tensor& hidden, const at::Tensor& head, const KdTargets& targets,
                   const KdLossOptions& options, const at::Tensor& gradient) {
  check_arguments(hidden, head, targets, options, gradient);
  const at::NoGradGuard no_grad;
  return kKdLoss.run(kernels::common_device(head, hidden, gradient), hidden, head, targets, options,
                     gradient);
}

}  // namespace anemll
