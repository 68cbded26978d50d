// One query of each head of a group against all keys of their kv head: dot products, softmax, a weighted sum.
#include "src/kernels/internal/attention_row_cpu.hpp"

#include <cmath>
#include <limits>

namespace anemll::kernels {
namespace {

using Index = std::int64_t;

ANEMLL_INLINE void attend(const RowAttention& r, const float* q, float* out) {
  const float scale = 1.0F / std::sqrt(static_cast<float>(r.dim));
  float top = -std::numeric_limits<float>::infinity();
  for (Index j = 0; j < r.keys; ++j) {
    const float* key = r.k + j * r.stride;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (Index d = 0; d < r.dim; ++d) sum += q[d] * key[d];
    const bool seen = r.allowed == nullptr || r.allowed[j] != 0;
    r.scores[j] = seen ? sum : -std::numeric_limits<float>::infinity();
    top = r.scores[j] > top ? r.scores[j] : top;
  }
  float total = 0;
#pragma omp simd reduction(+ : total)
  for (Index j = 0; j < r.keys; ++j) {
    const float e = exp_fast((r.scores[j] - top) * scale);
    r.scores[j] = e;
    total += e;
  }
  for (Index d = 0; d < r.dim; ++d) out[d] = 0;
  for (Index j = 0; j < r.keys; ++j) {
    const float* value = r.v + j * r.stride;
    const float weight = r.scores[j];
#pragma omp simd
    for (Index d = 0; d < r.dim; ++d) out[d] += weight * value[d];
  }
  const float inverse = 1.0F / total;
#pragma omp simd
  for (Index d = 0; d < r.dim; ++d) out[d] *= inverse;
}

}  // namespace

ANEMLL_SIMD void attend_row(const RowAttention& row) {
  for (Index head = 0; head < row.groups; ++head)
    attend(row, row.q + head * row.dim, row.out + head * row.dim);
}

}  // namespace anemll::kernels
