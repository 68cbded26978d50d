// RMSNorm rows on the CPU, forward and backward, with the residual add fused in. One pass to add and to sum
// squares, one to scale; backward one pass for the row's dot product, one for the gradient.
#include "src/kernels/internal/rows_cpu.hpp"

#include <cmath>

namespace anemll::kernels {
namespace {

template <class D, class N>
ANEMLL_INLINE void forward(const float* hidden, const D* delta, const float* weight, float eps, float* sum,
                           N* normed, float* inv_rms, Index width, Index begin, Index end) {
  for (Index row = begin; row < end; ++row) {
    const float* h = hidden + row * width;
    N* y = normed + row * width;
    float squares = 0;
    if (delta != nullptr) {
      const D* d = delta + row * width;
      float* s = sum + row * width;
#pragma omp simd reduction(+ : squares)
      for (Index i = 0; i < width; ++i) {
        const float v = h[i] + load(d[i]);
        s[i] = v;
        squares += v * v;
      }
      h = s;
    } else {
#pragma omp simd reduction(+ : squares)
      for (Index i = 0; i < width; ++i) squares += h[i] * h[i];
    }
    const float inv = 1.0F / std::sqrt(squares / static_cast<float>(width) + eps);
    inv_rms[row] = inv;
#pragma omp simd
    for (Index i = 0; i < width; ++i) store(y[i], h[i] * inv * weight[i]);
  }
}

template <class D, class N>
ANEMLL_INLINE void backward(const float* sum, const float* inv_rms, const float* weight,
                            const float* grad_sum, const N* grad_normed, float* grad_hidden, D* grad_delta,
                            float* grad_weight, Index width, Index begin, Index end) {
  for (Index row = begin; row < end; ++row) {
    const float* s = sum + row * width;
    const N* g = grad_normed + row * width;
    const float inv = inv_rms[row];
    if (grad_weight != nullptr) {
#pragma omp simd
      for (Index i = 0; i < width; ++i) grad_weight[i] += load(g[i]) * s[i] * inv;
    }
    if (grad_hidden == nullptr) continue;
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (Index i = 0; i < width; ++i) dot += load(g[i]) * weight[i] * s[i];
    const float shrink = dot * inv * inv * inv / static_cast<float>(width);
    float* out = grad_hidden + row * width;
    if (grad_sum != nullptr) {
      const float* through = grad_sum + row * width;
#pragma omp simd
      for (Index i = 0; i < width; ++i) out[i] = through[i] + (load(g[i]) * weight[i] * inv - s[i] * shrink);
    } else {
#pragma omp simd
      for (Index i = 0; i < width; ++i) out[i] = load(g[i]) * weight[i] * inv - s[i] * shrink;
    }
    if (grad_delta == nullptr) continue;
    D* cast = grad_delta + row * width;
#pragma omp simd
    for (Index i = 0; i < width; ++i) store(cast[i], out[i]);
  }
}

}  // namespace

template <class D, class N>
ANEMLL_SIMD void add_norm_rows(const NormRows<D, N>& r, Index begin, Index end) {
  forward(r.hidden, r.delta, r.weight, r.eps, r.sum, r.normed, r.inv_rms, r.width, begin, end);
}
template void add_norm_rows(const NormRows<float, float>&, Index, Index);
template void add_norm_rows(const NormRows<Bf16, Bf16>&, Index, Index);
template void add_norm_rows(const NormRows<Bf16, float>&, Index, Index);

template <class D, class N>
ANEMLL_SIMD void add_norm_rows_backward(const NormGradRows<D, N>& r, float* grad_weight, Index begin,
                                        Index end) {
  backward(r.sum, r.inv_rms, r.weight, r.grad_sum, r.grad_normed, r.grad_hidden, r.grad_delta, grad_weight,
           r.width, begin, end);
}
template void add_norm_rows_backward(const NormGradRows<float, float>&, float*, Index, Index);
template void add_norm_rows_backward(const NormGradRows<Bf16, Bf16>&, float*, Index, Index);
template void add_norm_rows_backward(const NormGradRows<Bf16, float>&, float*, Index, Index);

}  // namespace anemll::kernels
