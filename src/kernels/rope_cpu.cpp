// Per-head RMSNorm and rotary embedding in one pass over q or k. The norm's statistics are cheap (one head
// is a cache line or two), so backward recomputes them and only x is kept.
#include "src/kernels/internal/rows_cpu.hpp"

#include <cmath>

namespace anemll::kernels {
namespace {

template <class T>
ANEMLL_INLINE float inverse_rms(const T* x, float eps, Index dim) {
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (Index i = 0; i < dim; ++i) squares += load(x[i]) * load(x[i]);
  return 1.0F / std::sqrt(squares / static_cast<float>(dim) + eps);
}

template <class T>
ANEMLL_INLINE void forward(const T* x, const float* weight, float eps, const float* cosine, const float* sine,
                           T* out, Index heads, Index dim, Index length, Index begin, Index end) {
  const Index half = dim / 2;
  for (Index row = begin; row < end; ++row) {
    const float* c = cosine + (row % length) * half;
    const float* s = sine + (row % length) * half;
    for (Index head = 0; head < heads; ++head) {
      const T* a = x + (row * heads + head) * dim;
      T* y = out + (row * heads + head) * dim;
      if (weight != nullptr) {
        const float inv = inverse_rms(a, eps, dim);
#pragma omp simd
        for (Index i = 0; i < half; ++i) {
          const float u = load(a[i]) * inv * weight[i];
          const float v = load(a[i + half]) * inv * weight[i + half];
          store(y[i], u * c[i] - v * s[i]);
          store(y[i + half], v * c[i] + u * s[i]);
        }
      } else {
#pragma omp simd
        for (Index i = 0; i < half; ++i) {
          const float u = load(a[i]);
          const float v = load(a[i + half]);
          store(y[i], u * c[i] - v * s[i]);
          store(y[i + half], v * c[i] + u * s[i]);
        }
      }
    }
  }
}

template <class T>
ANEMLL_INLINE void backward(const T* x, const float* weight, float eps, const float* cosine,
                            const float* sine, const T* grad_out, T* grad_x, float* grad_weight, Index heads,
                            Index dim, Index length, Index begin, Index end) {
  const Index half = dim / 2;
  alignas(64) float g[kMaxHeadDim];
  for (Index row = begin; row < end; ++row) {
    const float* c = cosine + (row % length) * half;
    const float* s = sine + (row % length) * half;
    for (Index head = 0; head < heads; ++head) {
      const Index offset = (row * heads + head) * dim;
      const T* dy = grad_out + offset;
#pragma omp simd
      for (Index i = 0; i < half; ++i) {
        const float u = load(dy[i]);
        const float v = load(dy[i + half]);
        g[i] = u * c[i] + v * s[i];
        g[i + half] = v * c[i] - u * s[i];
      }
      if (weight == nullptr) {
#pragma omp simd
        for (Index i = 0; i < dim; ++i) store(grad_x[offset + i], g[i]);
        continue;
      }
      const T* a = x + offset;
      const float inv = inverse_rms(a, eps, dim);
      if (grad_weight != nullptr) {
#pragma omp simd
        for (Index i = 0; i < dim; ++i) grad_weight[i] += g[i] * load(a[i]) * inv;
      }
      if (grad_x == nullptr) continue;
      float dot = 0;
#pragma omp simd reduction(+ : dot)
      for (Index i = 0; i < dim; ++i) dot += g[i] * weight[i] * load(a[i]);
      const float shrink = dot * inv * inv * inv / static_cast<float>(dim);
#pragma omp simd
      for (Index i = 0; i < dim; ++i) store(grad_x[offset + i], g[i] * weight[i] * inv - load(a[i]) * shrink);
    }
  }
}

}  // namespace

template <class T>
ANEMLL_SIMD void norm_rope_rows(const RopeShape& s, const T* x, T* out, Index begin, Index end) {
  forward(x, s.weight, s.eps, s.cosine, s.sine, out, s.heads, s.dim, s.length, begin, end);
}
template void norm_rope_rows(const RopeShape&, const float*, float*, Index, Index);
template void norm_rope_rows(const RopeShape&, const Bf16*, Bf16*, Index, Index);

template <class T>
ANEMLL_SIMD void norm_rope_rows_backward(const RopeShape& s, const T* x, const T* grad_out, T* grad_x,
                                         float* grad_weight, Index begin, Index end) {
  backward(x, s.weight, s.eps, s.cosine, s.sine, grad_out, grad_x, grad_weight, s.heads, s.dim, s.length,
           begin, end);
}
template void norm_rope_rows_backward(const RopeShape&, const float*, const float*, float*, float*, Index,
                                      Index);
template void norm_rope_rows_backward(const RopeShape&, const Bf16*, const Bf16*, Bf16*, float*, Index,
                                      Index);

}  // namespace anemll::kernels
