// Loops over one row of head logits and over one row of the head: the inner part of the distillation loss on
// CPUs. No threads, no allocation: the caller owns chunking and parallelism. Every reduction has a fixed lane
// layout, so a result depends on its input alone.
#pragma once

#include "src/kernels/simd.hpp"

#include <span>

namespace anemll::kernels {

/// max(row) and sum(exp(row - max)): log-sum-exp is max + log(sum). NaN or +inf in the row makes sum NaN.
struct SoftmaxStats {
  float max = 0;
  double sum = 0;
};
SoftmaxStats softmax_stats(std::span<const float> row);
SoftmaxStats softmax_stats(std::span<const Bf16> row);

/// The parts of it, for other temperatures: max(row), where NaN does not count, and sum(exp(scale * (row -
/// max))), which is NaN when the row holds NaN or when max is infinite.
float row_max(std::span<const float> row);
float row_max(std::span<const Bf16> row);
double exp_sum(std::span<const float> row, float max, float scale);
double exp_sum(std::span<const Bf16> row, float max, float scale);

/// row[i] = factor * exp(row[i] - max), rounded once.
void scaled_exp_in_place(std::span<float> row, float max, float factor);
void scaled_exp_in_place(std::span<Bf16> row, float max, float factor);

/// row[i] = soft * exp(scale * (row[i] - max)) + plain * exp(row[i] - max), rounded once.
void mixed_exp_in_place(std::span<float> row, float max, float scale, float soft, float plain);
void mixed_exp_in_place(std::span<Bf16> row, float max, float scale, float soft, float plain);

/// sum a[i] * b[i] in fp32; the spans have equal length.
float dot(std::span<const float> a, std::span<const float> b);
float dot(std::span<const float> a, std::span<const Bf16> b);

/// y += factor * x; the spans have equal length.
void add_scaled(std::span<float> y, float factor, std::span<const float> x);
void add_scaled(std::span<float> y, float factor, std::span<const Bf16> x);

}  // namespace anemll::kernels
