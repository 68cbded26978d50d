// The plain form of head_scores.cpp.
#include "src/teacher/internal/head_scores.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/topk.h>

namespace anemll {
namespace {

constexpr std::int64_t kChunkTokens = 256;
constexpr std::int64_t kSpare = 16;

/// The tensor's values in the element type of the column.
template <class T>
void append(TeacherPayload& out, ColumnKey<T> key, const at::Tensor& tensor) {
  const at::ScalarType dtype = key.dtype == DType::i32   ? at::kInt
                               : key.dtype == DType::f16 ? at::kHalf
                                                         : at::kFloat;
  const at::Tensor host = tensor.to(at::kCPU, dtype).contiguous();
  std::copy_n(static_cast<const T*>(host.const_data_ptr()), host.numel(),
              out.extend(key, host.numel()).begin());
}

/// The K best of each row: more than K are taken, ordered by id, then stably by value, so ties go to the
/// lower id.
std::pair<at::Tensor, at::Tensor> best_of(const at::Tensor& logits, std::int64_t k) {
  const auto [values, ids] = at::topk(logits, std::min(k + kSpare, logits.size(1)), 1);
  const auto [sorted_ids, order] = at::sort(ids, 1);
  const auto [sorted, places] = at::sort(values.gather(1, order), /*stable=*/true, 1, /*descending=*/true);
  return {sorted.narrow(1, 0, k), sorted_ids.gather(1, places).narrow(1, 0, k)};
}

}  // namespace

void score_head_generic(const at::Tensor& hidden, const at::Tensor& head, std::int64_t sequence,
                        std::int64_t positions, const PayloadOptions& options, TeacherPayload& out) {
  const at::NoGradGuard no_grad;
  const at::Tensor wide = head.to(at::kFloat);
  for (std::int64_t begin = 0; begin < hidden.size(0); begin += kChunkTokens) {
    const std::int64_t count = std::min(kChunkTokens, hidden.size(0) - begin);
    const at::Tensor rows = hidden.narrow(0, begin, count).to(at::kFloat);
    const at::Tensor logits = at::matmul(rows, wide.t());
    const at::Tensor finite = at::isfinite(logits).all(1).to(at::kCPU);
    for (std::int64_t row = 0; row < count; ++row) {
      if (!finite[row].item<bool>()) throw_not_finite_logits(sequence + (begin + row) / positions);
    }
    const auto [values, ids] = best_of(logits, options.topk);
    append(out, kd::topk_idx, ids);
    append(out, kd::topk_logits, values.clamp(-65504.0, 65504.0));
    if (options.payloads.has(Payload::lse)) {
      append(out, kd::lse_t1, at::logsumexp(logits, 1));
      append(out, kd::lse_train, at::logsumexp(logits.div(options.train_temperature), 1));
    }
    if (options.rand_neg > 0) {
      const std::span<std::int32_t> drawn = out.extend(kd::rand_idx, count * options.rand_neg);
      const std::span<const std::int32_t> all = out[kd::topk_idx];
      const std::int32_t* topk = all.data() + all.size() - count * options.topk;
      for (std::int64_t row = 0; row < count; ++row) {
        draw_negatives(options, sequence + (begin + row) / positions, (begin + row) % positions, head.size(0),
                       topk + row * options.topk, drawn.data() + row * options.rand_neg);
      }
      const at::Tensor index = at::tensor(at::ArrayRef<std::int32_t>(drawn.data(), drawn.size()))
                                   .to(hidden.device(), at::kLong)
                                   .view({count, options.rand_neg});
      append(out, kd::rand_logits, logits.gather(1, index).clamp(-65504.0, 65504.0));
    }
    if (options.payloads.has(Payload::hidden)) append(out, kd::hidden, rows.clamp(-65504.0, 65504.0));
  }
}

}  // namespace anemll
