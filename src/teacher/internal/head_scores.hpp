// The head of the teacher fused with what a cache keeps of it: logits exist for one chunk of tokens at a
// time.
#pragma once

#include "src/teacher/internal/payload.hpp"

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll {

/// Appends the payload of hidden [N, H] fp32 (head [V, H] in the compute dtype) to `out`; `sequence` numbers
/// the first row and keys the negatives, `positions` is S. bf16 logits choose a few candidates more than K,
/// whose logits are then computed in fp32 from the fp32 hidden states: ranking and values do not suffer from
/// bf16's eight bits, and the sums use the same values. Ties go to the lower id. A numerics error names the
/// sequence whose logits are not finite.
void score_head(const at::Tensor& hidden, const at::Tensor& head, std::int64_t sequence,
                std::int64_t positions, const PayloadOptions& options, TeacherPayload& out);

/// The same by plain tensor operations, for other devices; public for comparison.
void score_head_generic(const at::Tensor& hidden, const at::Tensor& head, std::int64_t sequence,
                        std::int64_t positions, const PayloadOptions& options, TeacherPayload& out);

/// The error of both forms: logits of row `sequence` are NaN or infinite.
[[noreturn]] void throw_not_finite_logits(std::int64_t sequence);

/// Ids of the R negatives of one position: uniform, and outside the top-k unless told otherwise. A function
/// of seed, sequence and position.
void draw_negatives(const PayloadOptions& options, std::int64_t sequence, std::int64_t position,
                    std::int64_t vocab_size, const std::int32_t* topk, std::int32_t* out);

}  // namespace anemll
