// silu(gate) * up and its two gradients, element by element, in fp32 whatever the storage type.
#include "src/kernels/rows_cpu.hpp"

namespace anemll::kernels {
namespace {

template <class T>
ANEMLL_INLINE void forward(const T* gate, const T* up, T* out, Index begin, Index end) {
#pragma omp simd
  for (Index i = begin; i < end; ++i) {
    const float g = load(gate[i]);
    store(out[i], g * sigmoid(g) * load(up[i]));
  }
}

template <class T>
ANEMLL_INLINE void backward(const T* gate, const T* up, const T* grad_out, T* grad_gate, T* grad_up,
                            Index begin, Index end) {
#pragma omp simd
  for (Index i = begin; i < end; ++i) {
    const float g = load(gate[i]);
    const float dy = load(grad_out[i]);
    const float s = sigmoid(g);
    store(grad_gate[i], dy * load(up[i]) * s * (1.0F + g * (1.0F - s)));
    store(grad_up[i], dy * g * s);
  }
}

}  // namespace

#define ANEMLL_DEFINE(T)                                                                              \
  ANEMLL_SIMD void swiglu_range(const T* gate, const T* up, T* out, Index begin, Index end) {         \
    forward(gate, up, out, begin, end);                                                               \
  }                                                                                                   \
  ANEMLL_SIMD void swiglu_range_backward(const T* gate, const T* up, const T* grad_out, T* grad_gate, \
                                         T* grad_up, Index begin, Index end) {                        \
    backward(gate, up, grad_out, grad_gate, grad_up, begin, end);                                     \
  }
ANEMLL_DEFINE(float)
ANEMLL_DEFINE(Bf16)
#undef ANEMLL_DEFINE

}  // namespace anemll::kernels
