// Times the decoder body on a real model folder and prints JSON: a forward and backward pass with trainable
// float linears, how much of it is GEMM, and what is left (norms, RoPE, attention, SwiGLU, autograd).
//   decoder_bench MODEL_FOLDER [batch 8] [length 64] [threads 2] [steps 5] [bf16|fp32]
// Columns: step_ms whole pass; gemm_ms time inside the linears' matrix products; other_ms the rest;
// (processor time with one thread, wall time otherwise); gemm_gflops rate of those products; peak_mib highest
// resident set.
#include "src/core/platform.hpp"
#include "src/model/decoder.hpp"
#include "src/model/torch_bridge.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/randint.h>
#include <torch/csrc/autograd/custom_function.h>

namespace {

double wall_ms() {
  using namespace std::chrono;
  return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

/// With one thread the processor's time is measured: a busy machine then does not blur the result.
bool use_processor_time = false;

double now_ms() {
  if (!use_processor_time) return wall_ms();
  return static_cast<double>(std::clock()) * 1e3 / static_cast<double>(CLOCKS_PER_SEC);
}

struct GemmClock {
  double ms = 0;
  double flops = 0;
  at::Tensor mm(const at::Tensor& a, const at::Tensor& b) {
    const double start = now_ms();
    at::Tensor out = at::mm(a, b);
    ms += now_ms() - start;
    flops += 2.0 * static_cast<double>(a.size(0)) * static_cast<double>(a.size(1)) *
             static_cast<double>(b.size(1));
    return out;
  }
};

/// y = x W^T with both gradients, as a trained layer computes them; dW is dropped after it is made.
struct TimedMatmul : torch::autograd::Function<TimedMatmul> {
  using List = torch::autograd::variable_list;
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                            const at::Tensor& weight, GemmClock* clock) {
    ctx->save_for_backward({x, weight});
    ctx->saved_data["clock"] = static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(clock));
    ctx->saved_data["x_grad"] = x.requires_grad();
    return clock->mm(x, weight.t());
  }
  static List backward(torch::autograd::AutogradContext* ctx, const List& grads) {
    const auto saved = ctx->get_saved_variables();
    auto* clock = reinterpret_cast<GemmClock*>(static_cast<std::intptr_t>(ctx->saved_data["clock"].toInt()));
    clock->mm(grads[0].t(), saved[0]);
    const at::Tensor grad_x =
        ctx->saved_data["x_grad"].toBool() ? clock->mm(grads[0], saved[1]) : at::Tensor();
    return {grad_x, at::Tensor(), at::Tensor()};
  }
};

class TimedLinear final : public anemll::Linear {
 public:
  TimedLinear(at::Tensor weight, GemmClock* clock) : weight_(std::move(weight)), clock_(clock) {
    weight_.set_requires_grad(true);
  }
  at::Tensor forward(const at::Tensor& x) override {
    const at::Tensor flat = x.reshape({-1, x.size(-1)});
    std::vector<std::int64_t> shape = x.sizes().vec();
    shape.back() = weight_.size(0);
    return TimedMatmul::apply(flat, weight_, clock_).view(shape);
  }

 private:
  at::Tensor weight_;
  GemmClock* clock_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr,
                 "usage: decoder_bench MODEL_FOLDER [batch] [length] [threads] [steps] [bf16|fp32]\n");
    return 2;
  }
  const auto number = [&](int i, std::int64_t fallback) { return argc > i ? std::atoll(argv[i]) : fallback; };
  const std::int64_t batch = number(2, 8);
  const std::int64_t length = number(3, 64);
  at::set_num_threads(static_cast<int>(number(4, 2)));
  use_processor_time = at::get_num_threads() == 1;
  const std::int64_t steps = number(5, 5);
  const std::string precision = argc > 6 ? argv[6] : "bf16";
  const at::ScalarType dtype = precision == "fp32" ? at::kFloat : at::kBFloat16;

  GemmClock clock;
  const double load_start = now_ms();
  anemll::ModelFiles files = anemll::load_model_files(argv[1]);
  anemll::Decoder decoder(files, at::kCPU, /*dense=*/false);
  decoder.set_compute(dtype);
  for (auto& slot : decoder.slots()) {
    const at::Tensor weight = anemll::as_torch(*files.tensors.find(slot.spec.name + ".weight"));
    slot.linear = std::make_unique<TimedLinear>(weight.to(dtype, false, /*copy=*/true), &clock);
  }
  files.release_pages();
  const double load_ms = now_ms() - load_start;

  const at::Tensor ids = at::randint(files.architecture.vocab_size, {batch, length}, at::kLong);
  std::vector<std::pair<double, double>> times;  // whole, gemm
  double flops = 0;
  double forward_ms = 0;
  for (std::int64_t step = 0; step < steps + 1; ++step) {
    clock = {};
    const double start = now_ms();
    const at::Tensor hidden = decoder.hidden(ids, {});
    const double middle = now_ms();
    hidden.backward(at::ones_like(hidden));
    const double end = now_ms();
    if (step == 0) continue;  // warm-up
    times.emplace_back(end - start, clock.ms);
    forward_ms = middle - start;
    flops = clock.flops;
  }
  std::sort(times.begin(), times.end());
  const auto [step_ms, gemm_ms] = times[times.size() / 2];
  std::printf(
      "{\"bench\": \"decoder\", \"model\": \"%s\", \"precision\": \"%s\", \"batch\": %lld, \"length\": %lld, "
      "\"threads\": %d, \"load_ms\": %.0f, \"step_ms\": %.1f, \"forward_ms\": %.1f, \"gemm_ms\": %.1f, "
      "\"other_ms\": %.1f, \"gemm_gflops\": %.1f, \"tokens_per_s\": %.0f, \"peak_mib\": %.0f}\n",
      argv[1], precision.c_str(), static_cast<long long>(batch), static_cast<long long>(length),
      at::get_num_threads(), load_ms, step_ms, forward_ms, gemm_ms, step_ms - gemm_ms, flops / gemm_ms * 1e-6,
      static_cast<double>(batch * length) / step_ms * 1e3,
      static_cast<double>(anemll::peak_resident_bytes()) / 1048576.0);
  return 0;
}
