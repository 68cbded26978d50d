// silu(gate) * up and its two gradients, element by element, in fp32 whatever the storage type.
#include "src/kernels/internal/rows_cpu.hpp"

namespace anemll::kernels {

template <class T>
ANEMLL_SIMD void swiglu_range(const T* gate, const T* up, T* out, Index begin, Index end) {
#pragma omp simd
  for (Index i = begin; i < end; ++i) {
    const float g = load(gate[i]);
    store(out[i], g * sigmoid(g) * load(up[i]));
  }
}
template void swiglu_range(const float*, const float*, float*, Index, Index);
template void swiglu_range(const Bf16*, const Bf16*, Bf16*, Index, Index);

template <class T>
ANEMLL_SIMD void swiglu_range_backward(const T* gate, const T* up, const T* grad_out, T* grad_gate,
                                       T* grad_up, Index begin, Index end) {
#pragma omp simd
  for (Index i = begin; i < end; ++i) {
    const float g = load(gate[i]);
    const float dy = load(grad_out[i]);
    const float s = sigmoid(g);
    store(grad_gate[i], dy * load(up[i]) * s * (1.0F + g * (1.0F - s)));
    store(grad_up[i], dy * g * s);
  }
}
template void swiglu_range_backward(const float*, const float*, const float*, float*, float*, Index, Index);
template void swiglu_range_backward(const Bf16*, const Bf16*, const Bf16*, Bf16*, Bf16*, Index, Index);

}  // namespace anemll::kernels
