#include "src/teacher/internal/head_scores.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/half.hpp"
#include "src/core/rng.hpp"
#include "src/kernels/dispatch.hpp"
#include "src/kernels/head_loss_cpu.hpp"
#include "src/kernels/parallel.hpp"
#include "src/kernels/product.hpp"
#include "src/kernels/topk_cpu.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

namespace anemll {
namespace {

/// Rows of the one [chunk, V] buffer; GEMMs reach their rate from about 128 rows on.
constexpr std::int64_t kChunkTokens = 256;
/// Rounding both factors and the product to bf16 moves a logit by a few 2^-9 of the row's largest.
constexpr float kRounding = 0x1p-7F;

/// Where the payload of the tokens of this call begins in the arrays of `out`.
struct Target {
  std::int32_t* topk_idx;
  std::uint16_t* topk_logits;
  std::int32_t* rand_idx;
  std::uint16_t* rand_logits;
  float* lse_t1;
  float* lse_train;
};

Target extend_all(TeacherPayload& out, std::int64_t tokens, const PayloadOptions& options) {
  const std::int64_t sums = options.payloads.has(Payload::lse) ? tokens : 0;
  const auto more = [&](auto key, std::int64_t elements) {
    return elements > 0 ? out.extend(key, elements).data() : nullptr;
  };
  return {more(kd::topk_idx, tokens * options.topk),
          more(kd::topk_logits, tokens * options.topk),
          more(kd::rand_idx, tokens * options.rand_neg),
          more(kd::rand_logits, tokens * options.rand_neg),
          more(kd::lse_t1, sums),
          more(kd::lse_train, sums)};
}

std::uint16_t half_of(float value) {
  std::uint64_t ignored = 0;
  return float_to_half_saturating(value, ignored);
}

/// Everything a row needs, shared by the threads.
template <class T>
struct RowInputs {
  const float* hidden;  // [N, H]
  const T* head;        // [V, H]
  std::size_t width, vocab;
  std::int64_t sequence, positions;
  const PayloadOptions& options;
  Target to;

  float exact_logit(std::int64_t token, std::int32_t id) const {
    return kernels::dot(std::span(hidden + static_cast<std::size_t>(token) * width, width),
                        std::span(head + static_cast<std::size_t>(id) * width, width));
  }
};

/// The K best, and of rounded logits all that rounding may have put below them.
template <class T>
void find_candidates(std::span<const T> logits, std::size_t k, std::vector<kernels::ScoredId>& best) {
  if constexpr (std::is_same_v<T, float>) return kernels::largest(logits, k, best);
  for (std::size_t count = k + k / 4 + 16;; count *= 2) {
    kernels::largest(logits, std::min(count, logits.size()), best);
    const float kth = best[k - 1].value;
    const float least = kth - kRounding * std::max(std::abs(best.front().value), std::abs(kth));
    const auto end =
        std::find_if(best.begin(), best.end(), [&](const auto& entry) { return entry.value < least; });
    if (end == best.end() && best.size() < logits.size()) continue;
    best.erase(end, best.end());
    return;
  }
}

/// Returns false when the row holds values that are not finite.
template <class T>
bool score_row(std::span<const T> logits, std::int64_t token, const RowInputs<T>& in,
               std::vector<kernels::ScoredId>& best) {
  constexpr bool kRounded = !std::is_same_v<T, float>;
  const PayloadOptions& options = in.options;
  const auto k = static_cast<std::size_t>(options.topk);
  const bool lse = options.payloads.has(Payload::lse);
  const float inverse = static_cast<float>(1.0 / options.train_temperature);
  if (!kernels::all_finite(logits)) return false;
  find_candidates(logits, k, best);

  kernels::SoftmaxStats sums;  // at temperature 1
  double tempered_sum = 0;
  if (lse) {
    sums = kernels::softmax_stats(logits);
    tempered_sum = kernels::exp_sum(logits, sums.max, inverse);
  }
  if constexpr (kRounded) {
    for (kernels::ScoredId& entry : best) {
      const float exact = in.exact_logit(token, entry.id);
      if (lse) {
        const double was = double{entry.value} - double{sums.max}, is = double{exact} - double{sums.max};
        sums.sum += std::exp(is) - std::exp(was);
        tempered_sum += std::exp(is * double{inverse}) - std::exp(was * double{inverse});
      }
      entry.value = exact;
    }
    std::sort(best.begin(), best.end(), [](const auto& a, const auto& b) { return a.before(b); });
  }

  std::int32_t* idx = in.to.topk_idx + token * options.topk;
  std::uint16_t* values = in.to.topk_logits + token * options.topk;
  for (std::size_t i = 0; i < k; ++i) {
    idx[i] = best[i].id;
    values[i] = half_of(best[i].value);
  }
  if (lse) {
    const double plain = double{sums.max} + std::log(sums.sum);
    const double tempered = double{sums.max} * double{inverse} + std::log(tempered_sum);
    if (!std::isfinite(plain) || !std::isfinite(tempered)) return false;
    in.to.lse_t1[token] = static_cast<float>(plain);
    in.to.lse_train[token] = static_cast<float>(tempered);
  }
  if (options.rand_neg > 0) {
    std::int32_t* ids = in.to.rand_idx + token * options.rand_neg;
    draw_negatives(options, in.sequence + token / in.positions, token % in.positions,
                   static_cast<std::int64_t>(in.vocab), idx, ids);
    for (std::int64_t i = 0; i < options.rand_neg; ++i) {
      float value = 0;
      if constexpr (kRounded) {
        value = in.exact_logit(token, ids[i]);
      } else {
        value = logits[static_cast<std::size_t>(ids[i])];
      }
      in.to.rand_logits[token * options.rand_neg + i] = half_of(value);
    }
  }
  return true;
}

template <class T>
void score_chunks(const at::Tensor& hidden, const at::Tensor& head, RowInputs<T> in) {
  const std::int64_t tokens = hidden.size(0);
  const std::int64_t chunk = std::min(kChunkTokens, tokens);
  const at::Tensor logits = at::empty({chunk, head.size(0)}, head.options());
  std::atomic<std::int64_t> bad{-1};
  for (std::int64_t begin = 0; begin < tokens; begin += chunk) {
    const std::int64_t count = std::min(chunk, tokens - begin);
    at::Tensor part = logits.narrow(0, 0, count);
    kernels::mm_out(part, hidden.narrow(0, begin, count).to(head.scalar_type()), head.t());
    const T* data = static_cast<const T*>(part.const_data_ptr());
    kernels::parallel_for(count, 1, [&](std::int64_t first, std::int64_t last) {
      std::vector<kernels::ScoredId> best;
      for (std::int64_t row = first; row < last; ++row) {
        const std::span<const T> values(data + static_cast<std::size_t>(row) * in.vocab, in.vocab);
        if (!score_row(values, begin + row, in, best)) bad = begin + row;
      }
    });
  }
  if (bad >= 0) throw_not_finite_logits(in.sequence + bad / in.positions);
}

void append_hidden(const at::Tensor& hidden, TeacherPayload& out) {
  std::uint16_t* to = out.extend(kd::hidden, hidden.numel()).data();
  const float* from = hidden.const_data_ptr<float>();
  const auto width = hidden.size(1);
  kernels::parallel_for(hidden.size(0), 1, [&](std::int64_t first, std::int64_t last) {
    const auto count = static_cast<std::size_t>((last - first) * width);
    float_to_half_saturating(std::span(from + first * width, count), std::span(to + first * width, count));
  });
}

}  // namespace

void throw_not_finite_logits(std::int64_t sequence) {
  throw_numerics("the teacher's logits are not finite", "sequence " + std::to_string(sequence),
                 "the teacher's weights hold NaN, or bf16 overflows: try --dtype fp32");
}

void draw_negatives(const PayloadOptions& options, std::int64_t sequence, std::int64_t position,
                    std::int64_t vocab_size, const std::int32_t* topk, std::int32_t* out) {
  const CounterRng rng(options.seed, static_cast<std::uint64_t>(sequence));
  const std::int64_t excluded = options.negatives_avoid_topk ? options.topk : 0;
  // The i-th smallest excluded id lets i smaller ids through before it: `gaps[i]` ids that are not excluded.
  std::vector<std::int32_t> gaps(topk, topk + excluded);
  std::sort(gaps.begin(), gaps.end());
  for (std::size_t i = 0; i < gaps.size(); ++i) gaps[i] -= static_cast<std::int32_t>(i);
  for (std::int64_t j = 0; j < options.rand_neg; ++j) {
    const auto index = static_cast<std::uint64_t>(position * options.rand_neg + j);
    const auto drawn =
        static_cast<std::int32_t>(rng.below(index, static_cast<std::uint64_t>(vocab_size - excluded)));
    out[j] =
        drawn + static_cast<std::int32_t>(std::upper_bound(gaps.begin(), gaps.end(), drawn) - gaps.begin());
  }
}

namespace {

bool has_kernels(const at::Tensor&, const at::Tensor& head, std::int64_t, std::int64_t, const PayloadOptions&,
                 TeacherPayload&) {
  return head.is_contiguous() && kernels::is_kernel_type(head.scalar_type());
}

void score_on_cpu(const at::Tensor& hidden, const at::Tensor& head, std::int64_t sequence,
                  std::int64_t positions, const PayloadOptions& options, TeacherPayload& out) {
  const at::Tensor rows = hidden.to(at::kFloat).contiguous();
  const Target to = extend_all(out, rows.size(0), options);
  const auto width = static_cast<std::size_t>(rows.size(1)), vocab = static_cast<std::size_t>(head.size(0));
  const float* data = rows.const_data_ptr<float>();
  kernels::dispatch(head.scalar_type(), [&]<class T>() {
    score_chunks<T>(rows, head,
                    {data, kernels::data<const T>(head), width, vocab, sequence, positions, options, to});
  });
  if (options.payloads.has(Payload::hidden)) append_hidden(rows, out);
}

constexpr kernels::Operation<decltype(score_head)> kScoreHead(score_head_generic,
                                                              {{at::kCPU, score_on_cpu, has_kernels}});

}  // namespace

void score_head(const at::Tensor& hidden, const at::Tensor& head, std::int64_t sequence,
                std::int64_t positions, const PayloadOptions& options, TeacherPayload& out) {
  const at::NoGradGuard no_grad;
  kScoreHead.run(kernels::common_device(hidden, head), hidden, head, sequence, positions, options, out);
}

}  // namespace anemll
