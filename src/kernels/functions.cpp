// The rows of the operations: the generic form of each, and its kernels by device. And the autograd side of
// the CPU's kernels: what each operation keeps for backward, and how its rows are split over threads.
#include "src/kernels/functions.hpp"

#include "src/kernels/dispatch.hpp"
#include "src/kernels/internal/attention_cpu.hpp"
#include "src/kernels/internal/attention_row.hpp"
#include "src/kernels/internal/generic.hpp"
#include "src/kernels/internal/rows_cpu.hpp"
#include "src/kernels/parallel.hpp"

#include <algorithm>
#include <functional>
#include <optional>
#include <type_traits>
#include <vector>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

namespace anemll::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr Index kGrainElements = 16384;  // below this a thread costs more than it saves
constexpr Index kMaxFusedLength = 2048;  // longer sequences take the general attention
constexpr Index kWeightGradChunks = 16;

bool is_bf16(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kBFloat16;
}

/// f<D, N>() for the types of a delta and of the norm's output: add_norm_rows has no bf16 norm of a fp32
/// delta.
template <class F>
void dispatch_norm(at::ScalarType delta, at::ScalarType normed, const F& f) {
  dispatch(normed, [&]<class N>() {
    if constexpr (std::is_same_v<N, Bf16>) {
      f.template operator()<Bf16, Bf16>();
    } else {
      dispatch(delta, [&]<class D>() { f.template operator()<D, N>(); });
    }
  });
}

void for_rows(Index rows, Index width, const std::function<void(Index, Index)>& body) {
  parallel_for(rows, std::max<Index>(kGrainElements / std::max<Index>(width, 1), 1), body);
}

/// Rows with a weight gradient: partial sums per chunk, added in a fixed order, so that the result does not
/// depend on the number of threads. body(begin, end, partial); returns [width].
at::Tensor with_weight_grad(Index rows, Index width, const at::TensorOptions& options,
                            const std::function<void(Index, Index, float*)>& body) {
  const Index chunks = std::min(rows, kWeightGradChunks);
  const at::Tensor partial = at::zeros({chunks, width}, options);
  float* sums = data<float>(partial);
  parallel_for(chunks, 1, [&](Index first, Index last) {
    for (Index c = first; c < last; ++c) body(rows * c / chunks, rows * (c + 1) / chunks, sums + c * width);
  });
  return partial.sum(0);
}

struct AddRmsNorm : torch::autograd::Function<AddRmsNorm> {
  /// Returns {normed} without a delta, else {normed, sum}.
  static variable_list forward(AutogradContext* ctx, const at::Tensor& hidden,
                               const std::optional<at::Tensor>& optional_delta, const at::Tensor& weight,
                               double eps, at::ScalarType dtype) {
    const at::Tensor delta = optional_delta.value_or(at::Tensor());
    const Index width = hidden.size(-1);
    const Index rows = hidden.numel() / std::max<Index>(width, 1);
    const at::Tensor h = hidden.contiguous();
    const at::Tensor d = delta.defined() ? delta.contiguous() : at::Tensor();
    const at::Tensor w = weight.contiguous();
    const at::Tensor sum = delta.defined() ? at::empty_like(h) : at::Tensor();
    const at::Tensor normed = at::empty(h.sizes(), h.options().dtype(dtype));
    const at::Tensor inv_rms = at::empty({rows}, h.options());
    const bool narrow_delta = d.defined() && is_bf16(d);
    dispatch_norm(narrow_delta ? at::kBFloat16 : at::kFloat, dtype, [&]<class D, class N>() {
      const NormRows<D, N> all{
          data<float>(h),   data<D>(d),      data<float>(w),       static_cast<float>(eps),
          data<float>(sum), data<N>(normed), data<float>(inv_rms), width};
      for_rows(rows, width, [&](Index begin, Index end) { add_norm_rows(all, begin, end); });
    });
    ctx->saved_data["delta"] = delta.defined();
    ctx->saved_data["narrow_delta"] = narrow_delta;
    ctx->saved_data["hidden_grad"] = hidden.requires_grad() || (delta.defined() && delta.requires_grad());
    ctx->saved_data["weight_grad"] = weight.requires_grad();
    if (!delta.defined()) {
      ctx->save_for_backward({h, inv_rms, w});
      return {normed};
    }
    ctx->save_for_backward({sum, inv_rms, w});
    return {normed, sum};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor& sum = saved[0];
    const at::Tensor& w = saved[2];
    const bool had_delta = ctx->saved_data["delta"].toBool();
    const bool narrow_delta = ctx->saved_data["narrow_delta"].toBool();
    const bool needs_hidden = ctx->saved_data["hidden_grad"].toBool();
    const bool needs_weight = ctx->saved_data["weight_grad"].toBool();
    const Index width = sum.size(-1);
    const Index rows = sum.numel() / std::max<Index>(width, 1);
    const at::Tensor grad_sum = had_delta && grads[1].defined() ? grads[1].contiguous() : at::Tensor();
    if (!grads[0].defined()) {  // nothing used the normed output
      const at::Tensor grad_delta = had_delta && grad_sum.defined()
                                        ? grad_sum.to(narrow_delta ? at::kBFloat16 : at::kFloat)
                                        : at::Tensor();
      return {grad_sum, grad_delta, at::Tensor(), at::Tensor(), at::Tensor()};
    }
    const at::Tensor g = grads[0].contiguous();
    const at::Tensor grad_hidden = needs_hidden ? at::empty_like(sum) : at::Tensor();
    const at::Tensor narrow = needs_hidden && narrow_delta
                                  ? at::empty(sum.sizes(), sum.options().dtype(at::kBFloat16))
                                  : at::Tensor();
    at::Tensor grad_weight;
    dispatch_norm(narrow_delta ? at::kBFloat16 : at::kFloat, g.scalar_type(), [&]<class D, class N>() {
      const NormGradRows<D, N> all{
          data<float>(sum), data<float>(saved[1]),    data<float>(w),  data<float>(grad_sum),
          data<N>(g),       data<float>(grad_hidden), data<D>(narrow), width};
      const auto body = [&](Index begin, Index end, float* partial) {
        add_norm_rows_backward(all, partial, begin, end);
      };
      if (needs_weight) {
        grad_weight = with_weight_grad(rows, width, w.options(), body);
      } else {
        for_rows(rows, width, [&](Index begin, Index end) { body(begin, end, nullptr); });
      }
    });
    const at::Tensor grad_delta = !had_delta ? at::Tensor() : narrow_delta ? narrow : grad_hidden;
    return {grad_hidden, grad_delta, grad_weight, at::Tensor(), at::Tensor()};
  }
};

RopeShape rope_shape(const at::Tensor& x, double eps, const at::Tensor& weight, const at::Tensor& cosine,
                     const at::Tensor& sine) {
  return {x.size(2),           x.size(3),           x.size(1),        static_cast<float>(eps),
          data<float>(weight), data<float>(cosine), data<float>(sine)};
}

struct HeadNormRope : torch::autograd::Function<HeadNormRope> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x,
                            const std::optional<at::Tensor>& optional_weight, double eps,
                            const at::Tensor& cosine, const at::Tensor& sine) {
    const at::Tensor weight = optional_weight.value_or(at::Tensor());
    const at::Tensor in = x.contiguous();
    at::Tensor out = at::empty_like(in);
    const RopeShape shape = rope_shape(in, eps, weight, cosine, sine);
    dispatch(in.scalar_type(), [&]<class T>() {
      for_rows(in.size(0) * shape.length, shape.heads * shape.dim,
               [&](Index begin, Index end) { norm_rope_rows(shape, data<T>(in), data<T>(out), begin, end); });
    });
    // Without a norm the rotation is linear: nothing of x is needed.
    ctx->save_for_backward({weight.defined() ? in : at::Tensor(), weight, cosine, sine});
    ctx->saved_data["eps"] = eps;
    ctx->saved_data["x_grad"] = x.requires_grad();
    ctx->saved_data["weight_grad"] = weight.defined() && weight.requires_grad();
    return out;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const at::Tensor none;
    if (!grads[0].defined()) return {none, none, none, none, none};
    const auto saved = ctx->get_saved_variables();
    const at::Tensor g = grads[0].contiguous();
    const at::Tensor& w = saved[1];
    const RopeShape shape = rope_shape(g, ctx->saved_data["eps"].toDouble(), w, saved[2], saved[3]);
    const at::Tensor grad_x = ctx->saved_data["x_grad"].toBool() ? at::empty_like(g) : at::Tensor();
    const Index rows = g.size(0) * shape.length;
    at::Tensor grad_weight;
    dispatch(g.scalar_type(), [&]<class T>() {
      const auto body = [&](Index begin, Index end, float* partial) {
        norm_rope_rows_backward(shape, data<T>(saved[0]), data<T>(g), data<T>(grad_x), partial, begin, end);
      };
      if (ctx->saved_data["weight_grad"].toBool()) {
        grad_weight = with_weight_grad(rows, shape.dim, w.options(), body);
      } else {
        for_rows(rows, shape.heads * shape.dim, [&](Index begin, Index end) { body(begin, end, nullptr); });
      }
    });
    return {grad_x, grad_weight, none, none, none};
  }
};

struct SwiGlu : torch::autograd::Function<SwiGlu> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gate, const at::Tensor& up) {
    const at::Tensor g = gate.contiguous();
    const at::Tensor u = up.contiguous();
    at::Tensor out = at::empty_like(g);
    dispatch(g.scalar_type(), [&]<class T>() {
      parallel_for(g.numel(), kGrainElements, [&](Index begin, Index end) {
        swiglu_range<T>(data<T>(g), data<T>(u), data<T>(out), begin, end);
      });
    });
    ctx->save_for_backward({g, u});
    return out;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    if (!grads[0].defined()) return {at::Tensor(), at::Tensor()};
    const auto saved = ctx->get_saved_variables();
    const at::Tensor dy = grads[0].contiguous();
    const at::Tensor grad_gate = at::empty_like(dy);
    const at::Tensor grad_up = at::empty_like(dy);
    dispatch(dy.scalar_type(), [&]<class T>() {
      parallel_for(dy.numel(), kGrainElements, [&](Index begin, Index end) {
        swiglu_range_backward<T>(data<T>(saved[0]), data<T>(saved[1]), data<T>(dy), data<T>(grad_gate),
                                 data<T>(grad_up), begin, end);
      });
    });
    return {grad_gate, grad_up};
  }
};

/// Units over threads, each range with its own scratch.
void for_units(const AttentionShape& shape, const std::function<void(Index, float*)>& body) {
  parallel_for(shape.units(), 1, [&](Index begin, Index end) {
    std::vector<float> scratch(static_cast<std::size_t>(attention_scratch(shape)));
    for (Index unit = begin; unit < end; ++unit) body(unit, scratch.data());
  });
}

AttentionShape shape_of(const at::Tensor& q, const at::Tensor& k) {
  return {q.size(0), q.size(1), k.size(1), q.size(2), k.size(2), q.size(3)};
}

/// Of q, k, v, allowed, out and log_sums, as Attention saves them.
template <class T>
AttentionData<T> attention_data(const variable_list& saved) {
  return {data<T>(saved[0]), data<T>(saved[1]),    data<T>(saved[2]), data<std::uint8_t>(saved[3]),
          data<T>(saved[4]), data<float>(saved[5])};
}

struct Attention : torch::autograd::Function<Attention> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& query, const at::Tensor& key,
                            const at::Tensor& value, const std::optional<at::Tensor>& optional_allowed) {
    const at::Tensor q = query.contiguous();
    const at::Tensor k = key.contiguous();
    const at::Tensor v = value.contiguous();
    const AttentionShape shape = shape_of(q, k);
    const at::Tensor allowed =
        optional_allowed ? optional_allowed->expand({shape.batch, 1, shape.queries, shape.keys}).contiguous()
                         : at::Tensor();
    at::Tensor out = at::empty_like(q);
    const at::Tensor log_sums =
        at::empty({shape.batch, shape.heads, shape.queries}, q.options().dtype(at::kFloat));
    dispatch(q.scalar_type(), [&]<class T>() {
      const auto tensors = attention_data<T>({q, k, v, allowed, out, log_sums});
      for_units(shape, [&](Index unit, float* scratch) { attention_unit(shape, tensors, scratch, unit); });
    });
    ctx->save_for_backward({q, k, v, allowed, out, log_sums});
    return out;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const at::Tensor none;
    if (!grads[0].defined()) return {none, none, none, none};
    const auto saved = ctx->get_saved_variables();
    const at::Tensor& q = saved[0];
    const at::Tensor& k = saved[1];
    const at::Tensor g = grads[0].contiguous();
    const AttentionShape shape = shape_of(q, k);
    const at::Tensor grad_q = at::empty_like(q);
    const at::Tensor grad_k = at::empty_like(k);
    const at::Tensor grad_v = at::empty_like(k);
    dispatch(q.scalar_type(), [&]<class T>() {
      const auto tensors = attention_data<T>(saved);
      const AttentionGrads<T> gradients{data<T>(g), data<T>(grad_q), data<T>(grad_k), data<T>(grad_v)};
      for_units(shape, [&](Index unit, float* scratch) {
        attention_unit_backward(shape, tensors, gradients, scratch, unit);
      });
    });
    return {grad_q, grad_k, grad_v, none};
  }
};

Normed fused_add_rms_norm(const at::Tensor& hidden, const at::Tensor& delta, const at::Tensor& weight,
                          double eps, at::ScalarType dtype) {
  const variable_list out = AddRmsNorm::apply(hidden, optional(delta), weight, eps, dtype);
  return {delta.defined() ? out[1] : hidden, out[0]};
}

bool fuses_norm(const at::Tensor&, const at::Tensor& delta, const at::Tensor&, double, at::ScalarType dtype) {
  return is_kernel_type(dtype) && (!delta.defined() || delta.scalar_type() == dtype || is_bf16(delta));
}

at::Tensor fused_head_norm_rope(const at::Tensor& x, const at::Tensor& weight, double eps,
                                const at::Tensor& cosine, const at::Tensor& sine) {
  return HeadNormRope::apply(x, optional(weight), eps, cosine, sine);
}

bool fuses_rope(const at::Tensor& x, const at::Tensor&, double, const at::Tensor&, const at::Tensor&) {
  return is_kernel_type(x.scalar_type()) && x.size(3) <= kMaxHeadDim;
}

at::Tensor fused_swiglu(const at::Tensor& gate, const at::Tensor& up) {
  return SwiGlu::apply(gate, up);
}

bool fuses_swiglu(const at::Tensor& gate, const at::Tensor&) {
  return is_kernel_type(gate.scalar_type());
}

at::Tensor fused_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const at::Tensor& allowed) {
  return Attention::apply(q, k, v, optional(allowed));
}

/// Beyond this length the blocked operator wins: its scores stay in the cache.
bool fuses_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor&, const at::Tensor&) {
  return is_kernel_type(q.scalar_type()) && k.size(1) <= kMaxFusedLength;
}

// A kernel of another device is one more entry of a row.
constexpr Operation<decltype(add_rms_norm)> kAddRmsNorm(generic::add_rms_norm,
                                                        {{at::kCPU, fused_add_rms_norm, fuses_norm}});
constexpr Operation<decltype(head_norm_rope)> kHeadNormRope(generic::head_norm_rope,
                                                            {{at::kCPU, fused_head_norm_rope, fuses_rope}});
constexpr Operation<decltype(swiglu)> kSwiGlu(generic::swiglu, {{at::kCPU, fused_swiglu, fuses_swiglu}});
constexpr Operation<decltype(attention)> kAttention(generic::attention,
                                                    {{at::kCPU, row_attention, takes_row_attention},
                                                     {at::kCPU, fused_attention, fuses_attention}});

}  // namespace

Normed add_rms_norm(const at::Tensor& hidden, const at::Tensor& delta, const at::Tensor& weight, double eps,
                    at::ScalarType dtype) {
  return kAddRmsNorm.run(common_device(hidden, delta, weight), hidden, delta, weight, eps, dtype);
}

at::Tensor head_norm_rope(const at::Tensor& x, const at::Tensor& weight, double eps, const at::Tensor& cosine,
                          const at::Tensor& sine) {
  return kHeadNormRope.run(common_device(x, weight, cosine, sine), x, weight, eps, cosine, sine);
}

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  return kSwiGlu.run(common_device(gate, up), gate, up);
}

at::Tensor geglu(const at::Tensor& gate, const at::Tensor& up) {
  return generic::geglu(gate, up);
}

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const at::Tensor& allowed) {
  return kAttention.run(common_device(q, k, v, allowed), q, k, v, allowed);
}

}  // namespace anemll::kernels
