#include "src/distill/batch_tensors.hpp"

#include "anemll/core/error.hpp"
#include "src/core/rng.hpp"
#include "src/data/row_checks.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones.h>

namespace anemll {
namespace {

template <typename T>
at::Tensor view_of(std::span<const T> values, at::IntArrayRef shape, at::ScalarType dtype) {
  // from_blob wants a mutable pointer; nobody writes through these views.
  return at::from_blob(const_cast<T*>(values.data()), shape, at::TensorOptions(dtype));
}

at::Tensor position_weights(const KdBatch& batch, std::int64_t positions, bool masked) {
  at::Tensor weights = at::empty({batch.rows * positions}, at::kFloat);
  float* w = weights.data_ptr<float>();
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    const float row_weight = batch.is_missing(row) ? 0.0F : 1.0F;
    const std::uint8_t* mask = batch[kd::attention_mask].data() + row * batch.length;
    for (std::int64_t s = 0; s < positions; ++s) {
      *w++ = masked && mask[s + 1] == 0 ? 0.0F : row_weight;
    }
  }
  return weights;
}

/// By way of pinned memory, which LibTorch keeps for the next batch: from other memory a copy waits until the
/// device has done all that it was given before.
void upload(at::Tensor& tensor, at::Device device) {
  if (tensor.defined()) tensor = tensor.contiguous().pin_memory().to(device, /*non_blocking=*/true);
}

}  // namespace

bool is_supervised(const KdBatch& batch, std::int64_t row) {
  if (batch.is_missing(row)) return false;
  return has_supervision(batch[kd::attention_mask].subspan(static_cast<std::size_t>(row * batch.length),
                                                           static_cast<std::size_t>(batch.length)),
                         std::min(batch.length - 1, batch.positions));
}

void keep_supervised(KdBatch& batch) {
  std::vector<std::int64_t> kept;
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    if (is_supervised(batch, row)) kept.push_back(row);
  }
  if (static_cast<std::int64_t>(kept.size()) == batch.rows) return;
  const bool none = kept.empty();
  if (none) kept.push_back(0);
  batch.keep_rows(kept);
  if (!none) return;
  batch.row_ids[0] = -1;
  std::ranges::fill(batch[kd::attention_mask], std::uint8_t{1});
}

at::Tensor hidden_of(const KdBatch& batch) {
  return view_of(batch[kd::hidden], {batch.rows, batch.positions, batch.hidden_size}, at::kHalf);
}

BatchTensors to_tensors(const KdBatch& batch, at::Device device) {
  BatchTensors out;
  out.rows = batch.rows;
  out.positions = std::min(batch.length - 1, batch.positions);
  out.input_ids = view_of(batch[kd::input_ids], {batch.rows, batch.length}, at::kInt).to(at::kLong);

  // Padding rows do not make a batch a masked one.
  bool masked = false;
  for (std::int64_t row = 0; row < batch.rows && !masked; ++row) {
    const std::uint8_t* mask = batch[kd::attention_mask].data() + row * batch.length;
    masked = !batch.is_missing(row) && std::find(mask, mask + batch.length, 0) != mask + batch.length;
  }
  if (masked) out.mask = view_of(batch[kd::attention_mask], {batch.rows, batch.length}, at::kByte).clone();

  const std::int64_t n = batch.rows * out.positions;
  const auto cut = [&](const at::Tensor& t) { return t.narrow(1, 0, out.positions).reshape({n, t.size(2)}); };
  out.targets.topk_idx =
      cut(view_of(batch[kd::topk_idx], {batch.rows, batch.positions, batch.topk}, at::kInt));
  out.targets.topk_logits =
      cut(view_of(batch[kd::topk_logits], {batch.rows, batch.positions, batch.topk}, at::kHalf));
  out.targets.weight = position_weights(batch, out.positions, masked);
  const auto cut_lse = [&](std::span<const float> values) {
    if (values.empty()) return at::Tensor();
    return view_of(values, {batch.rows, batch.positions}, at::kFloat)
        .narrow(1, 0, out.positions)
        .reshape({n});
  };
  out.lse_t1 = cut_lse(batch[kd::lse_t1]);
  out.lse_train = cut_lse(batch[kd::lse_train]);
  if (!batch[kd::hidden].empty()) out.teacher_hidden = hidden_of(batch).narrow(1, 0, out.positions);
  if (!device.is_cpu()) {
    for (at::Tensor* tensor : {&out.lse_t1, &out.lse_train, &out.teacher_hidden, &out.input_ids, &out.mask,
                               &out.targets.topk_idx, &out.targets.topk_logits, &out.targets.weight})
      upload(*tensor, device);
  }
  return out;
}

at::Tensor sample_negatives(const KdBatch& batch, std::int64_t vocab_size, std::int64_t count,
                            std::uint64_t seed, std::int64_t micro_step) {
  if (vocab_size <= batch.topk) {
    throw_usage("a vocabulary of " + std::to_string(vocab_size) + " has no ids beside the " +
                    std::to_string(batch.topk) + " candidates",
                "--sampled-ce-weight", "leave it at 0 for this cache");
  }
  const std::int64_t positions = std::min(batch.length - 1, batch.positions);
  at::Tensor out = at::empty({batch.rows * positions, count}, at::kInt);
  std::int32_t* id = out.data_ptr<std::int32_t>();
  const CounterRng rng(seed, static_cast<std::uint64_t>(micro_step));
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    const std::int64_t sample = std::max<std::int64_t>(batch.row_ids[static_cast<std::size_t>(row)], 0);
    for (std::int64_t s = 0; s < positions; ++s) {
      const std::int32_t* candidates = batch[kd::topk_idx].data() + (row * batch.positions + s) * batch.topk;
      // 2^20 counters a position leave room for every redraw of the largest legal count.
      auto counter = static_cast<std::uint64_t>(sample * batch.positions + s) << 20U;
      for (std::int64_t j = 0; j < count; ++j) {
        do {
          *id = static_cast<std::int32_t>(rng.below(counter++, static_cast<std::uint64_t>(vocab_size)));
        } while (std::find(candidates, candidates + batch.topk, *id) != candidates + batch.topk);
        ++id;
      }
    }
  }
  return out;
}

}  // namespace anemll
