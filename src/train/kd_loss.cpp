// Checks, the choice of path, and the CPU paths. Per-token results go to buffers and are summed in token
// order, so nothing outside the GEMMs depends on the number of threads.
#include "src/train/kd_loss.hpp"

#include "anemll/core/error.hpp"
#include "src/kernels/head_loss_cpu.hpp"
#include "src/kernels/parallel.hpp"
#include "src/kernels/simd.hpp"
#include "src/train/kd_token.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

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
  require(fits(targets.topk_idx) && fits(targets.topk_logits) && targets.topk_idx.size(1) > 0 &&
              targets.topk_idx.sizes() == targets.topk_logits.sizes(),
          "top-k ids and logits must both be [N, K]");
  require(targets.weight.defined() && targets.weight.dim() == 1 && targets.weight.size(0) == tokens,
          "row weights must be [N]");
  require(options.sampled_ce_weight == 0 || fits(targets.negatives),
          "the sampled cross-entropy needs negatives [N, R]");
  require(!gradient.defined() || (gradient.sizes() == hidden.sizes() && gradient.is_contiguous()),
          "the gradient must be contiguous and of the hidden states' shape");
  require(options.temperature > 0, "the temperature must be positive");
  require(options.hard_top1 >= 0 && options.hard_full >= 0 && options.sampled_ce_weight >= 0,
          "loss weights must not be negative");
  require(options.chunk_tokens > 0, "the chunk must hold at least one token");
}

/// Raw views of everything the rows need; the tensors behind them are kept by CpuInputs.
struct CpuInputs {
  at::Tensor hidden, head, idx, logits, negatives, weight;
  std::size_t tokens, width, vocab, cached, sampled;

  CpuInputs(const at::Tensor& hidden_in, const at::Tensor& head_in, const KdTargets& targets,
            bool with_negatives)
      : hidden(hidden_in.to(at::kFloat).contiguous()),
        head(head_in.contiguous()),
        idx(targets.topk_idx.to(at::kInt).contiguous()),
        logits(targets.topk_logits.to(at::kFloat).contiguous()),
        negatives(with_negatives ? targets.negatives.to(at::kInt).contiguous() : at::Tensor()),
        weight(targets.weight.to(at::kFloat).contiguous()),
        tokens(static_cast<std::size_t>(hidden.size(0))),
        width(static_cast<std::size_t>(hidden.size(1))),
        vocab(static_cast<std::size_t>(head.size(0))),
        cached(static_cast<std::size_t>(idx.size(1))),
        sampled(with_negatives ? static_cast<std::size_t>(negatives.size(1)) : 0) {}

  float weight_of(std::size_t row) const { return weight.const_data_ptr<float>()[row]; }
  std::span<const float> teacher(std::size_t row) const {
    return {logits.const_data_ptr<float>() + row * cached, cached};
  }
  std::span<const float> hidden_row(std::size_t row) const {
    return {hidden.const_data_ptr<float>() + row * width, width};
  }
  /// The cached ids of a row, then its negatives.
  void candidates(std::size_t row, std::span<std::size_t> ids) const {
    const std::int32_t* top = idx.const_data_ptr<std::int32_t>() + row * cached;
    for (std::size_t k = 0; k < cached; ++k) ids[k] = static_cast<std::size_t>(top[k]);
    if (sampled == 0) return;
    const std::int32_t* negative = negatives.const_data_ptr<std::int32_t>() + row * sampled;
    for (std::size_t k = 0; k < sampled; ++k) ids[cached + k] = static_cast<std::size_t>(negative[k]);
  }

  void check_ids() const {
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
};

/// One slot per token: threads write, the sums are taken in order afterwards.
struct TokenValues {
  std::vector<double> kl, ce, sampled_ce;
  explicit TokenValues(std::size_t tokens) : kl(tokens), ce(tokens), sampled_ce(tokens) {}

  KdLossSums sum(const CpuInputs& in, const KdLossOptions& options) const {
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
};

/// What one thread reuses from row to row.
struct Scratch {
  std::vector<std::size_t> ids;
  std::vector<float> student;
  std::vector<double> slope;                               ///< d(terms)/d(student)
  std::vector<std::pair<std::size_t, std::size_t>> order;  ///< candidates as (id, position), sorted
  std::vector<std::pair<std::size_t, float>> entries;      ///< merged gradient of the candidates' logits

  Scratch(const CpuInputs& in, bool with_gradient)
      : ids(in.cached + in.sampled), student(ids.size()), slope(with_gradient ? ids.size() : 0) {}
};

template <class Body>
void for_rows(std::size_t rows, const CpuInputs& in, bool with_gradient, const Body& body) {
  kernels::parallel_for(static_cast<std::int64_t>(rows), 1, [&](std::int64_t begin, std::int64_t end) {
    Scratch scratch(in, with_gradient);
    for (auto row = static_cast<std::size_t>(begin); row < static_cast<std::size_t>(end); ++row)
      body(row, scratch);
  });
}

/// The full row of logits becomes the token's terms and, in place, the gradient of the logits.
template <class T>
void full_row(std::span<T> logits, const CpuInputs& in, std::size_t row, const KdLossOptions& options,
              bool with_gradient, TokenValues& values, Scratch& scratch) {
  const float weight = in.weight_of(row);
  if (weight == 0) {
    std::fill(logits.begin(), logits.end(), T{});
    return;
  }
  in.candidates(row, scratch.ids);
  for (std::size_t c = 0; c < scratch.ids.size(); ++c)
    scratch.student[c] = kernels::load(logits[scratch.ids[c]]);
  const KdTokenTerms terms = kd_token_terms(in.teacher(row), scratch.student, options.temperature,
                                            options.sampled_ce_weight, scratch.slope);
  const kernels::SoftmaxStats stats = kernels::softmax_stats(std::span<const T>(logits));
  values.kl[row] = terms.kl;
  values.sampled_ce[row] = terms.sampled_ce;
  values.ce[row] = double{stats.max} + std::log(stats.sum) - double{scratch.student[0]};
  if (!with_gradient) return;

  // Entries of candidates get all their terms in double and are rounded once. An id may occur twice (a
  // negative that is also cached), so terms are merged by id, in the order of the candidates.
  const double hard = options.hard_top1 + options.hard_full;
  scratch.order.clear();
  scratch.entries.clear();
  for (std::size_t c = 0; c < scratch.ids.size(); ++c) scratch.order.emplace_back(scratch.ids[c], c);
  std::sort(scratch.order.begin(), scratch.order.end());
  for (std::size_t i = 0; i < scratch.order.size();) {
    const std::size_t id = scratch.order[i].first;
    double slope = hard * std::exp(double{kernels::load(logits[id])} - double{stats.max}) / stats.sum;
    if (id == scratch.ids[0]) slope -= hard;
    for (; i < scratch.order.size() && scratch.order[i].first == id; ++i) {
      slope += scratch.slope[scratch.order[i].second];
    }
    scratch.entries.emplace_back(id, static_cast<float>(double{weight} * slope));
  }
  kernels::scaled_exp_in_place(logits, stats.max, static_cast<float>(double{weight} * hard / stats.sum));
  for (const auto& [id, value] : scratch.entries) kernels::store(logits[id], value);
}

template <class T>
KdLossSums full_logits(const CpuInputs& in, const KdLossOptions& options, const at::Tensor& gradient) {
  TokenValues values(in.tokens);
  const auto tokens = static_cast<std::int64_t>(in.tokens);
  const std::int64_t chunk = std::min(options.chunk_tokens, tokens);
  at::Tensor logits = at::empty({chunk, in.head.size(0)}, in.head.options());
  const bool same_dtype = in.head.scalar_type() == at::kFloat;
  at::Tensor product = gradient.defined() && !same_dtype
                           ? at::empty({chunk, in.head.size(1)}, in.head.options())
                           : at::Tensor();
  for (std::int64_t begin = 0; begin < tokens; begin += chunk) {
    const std::int64_t count = std::min(chunk, tokens - begin);
    at::Tensor part = logits.narrow(0, 0, count);
    at::mm_out(part, in.hidden.narrow(0, begin, count).to(in.head.scalar_type()), in.head.t());
    T* data = static_cast<T*>(part.mutable_data_ptr());
    for_rows(static_cast<std::size_t>(count), in, gradient.defined(), [&](std::size_t r, Scratch& scratch) {
      full_row<T>({data + r * in.vocab, in.vocab}, in, static_cast<std::size_t>(begin) + r, options,
                  gradient.defined(), values, scratch);
    });
    if (!gradient.defined()) continue;
    at::Tensor rows = gradient.narrow(0, begin, count);
    if (same_dtype) {
      at::mm_out(rows, part, in.head);
    } else {
      at::Tensor low = product.narrow(0, 0, count);
      at::mm_out(low, part, in.head);
      rows.copy_(low);
    }
  }
  return values.sum(in, options);
}

/// Without hard weights: dot products with the candidates' head rows, and their weighted sum as the gradient.
template <class T>
KdLossSums candidate_logits(const CpuInputs& in, const KdLossOptions& options, const at::Tensor& gradient) {
  TokenValues values(in.tokens);
  const T* head = static_cast<const T*>(in.head.const_data_ptr());
  const auto head_row = [&](std::size_t id) { return std::span<const T>(head + id * in.width, in.width); };
  float* out = gradient.defined() ? gradient.mutable_data_ptr<float>() : nullptr;
  for_rows(in.tokens, in, out != nullptr, [&](std::size_t row, Scratch& scratch) {
    const std::span<float> target =
        out != nullptr ? std::span<float>(out + row * in.width, in.width) : std::span<float>();
    std::fill(target.begin(), target.end(), 0.0F);
    const float weight = in.weight_of(row);
    if (weight == 0) return;
    in.candidates(row, scratch.ids);
    const std::span<const float> hidden = in.hidden_row(row);
    for (std::size_t c = 0; c < scratch.ids.size(); ++c) {
      scratch.student[c] = kernels::dot(hidden, head_row(scratch.ids[c]));
    }
    const KdTokenTerms terms = kd_token_terms(in.teacher(row), scratch.student, options.temperature,
                                              options.sampled_ce_weight, scratch.slope);
    values.kl[row] = terms.kl;
    values.sampled_ce[row] = terms.sampled_ce;
    for (std::size_t c = 0; c < scratch.slope.size(); ++c) {
      kernels::add_scaled(target, static_cast<float>(double{weight} * scratch.slope[c]),
                          head_row(scratch.ids[c]));
    }
  });
  return values.sum(in, options);
}

}  // namespace

KdLossSums kd_loss(const at::Tensor& hidden, const at::Tensor& head, const KdTargets& targets,
                   const KdLossOptions& options, const at::Tensor& gradient) {
  check_arguments(hidden, head, targets, options, gradient);
  const at::NoGradGuard no_grad;
  const bool bf16 = head.scalar_type() == at::kBFloat16;
  const bool kernel_dtypes = (bf16 || head.scalar_type() == at::kFloat) &&
                             hidden.scalar_type() != at::kDouble &&
                             (!gradient.defined() || gradient.scalar_type() == at::kFloat);
  if (!head.is_cpu() || !kernel_dtypes) return kd_loss_generic(hidden, head, targets, options, gradient);
  if (hidden.size(0) == 0) return {};
  const CpuInputs in(hidden, head, targets, options.sampled_ce_weight > 0);
  in.check_ids();
  if (options.hard_top1 + options.hard_full > 0) {
    return bf16 ? full_logits<kernels::Bf16>(in, options, gradient)
                : full_logits<float>(in, options, gradient);
  }
  return bf16 ? candidate_logits<kernels::Bf16>(in, options, gradient)
              : candidate_logits<float>(in, options, gradient);
}

}  // namespace anemll
