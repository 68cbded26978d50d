// One V2 layer, forward and backward, in the three forwards, and the same three GEMMs without quantisation
// beside them; ratios come from one run. Prints one JSON object. Options: out in rank tokens lut repeats.
#include "src/quant/internal/lut.hpp"
#include "src/quant/internal/v2_layer.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>

namespace {

using namespace anemll;

constexpr double kSameFunction = 1e-5;  // fp32 sums in another order

/// The fastest of `repeats` runs, in milliseconds.
double fastest_ms(int repeats, const std::function<void()>& run) {
  double best = 1e30;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
    best = std::min(best, taken.count());
  }
  return best;
}

std::int64_t argument(int argc, char** argv, int position, std::int64_t otherwise) {
  return argc > position ? std::atoll(argv[position]) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t out = argument(argc, argv, 1, 3072);
  const std::int64_t in = argument(argc, argv, 2, 1024);
  const std::int64_t rank = argument(argc, argv, 3, 32);
  const std::int64_t tokens = argument(argc, argv, 4, 1024);
  const std::int64_t lut_size = argument(argc, argv, 5, 4);
  const int repeats = static_cast<int>(argument(argc, argv, 6, 3));

  V2Config config;
  config.rank = rank;
  config.lut_size = lut_size;
  V2Linear::Tensors tensors;
  tensors.scale_A = at::randn({out, rank}).set_requires_grad(true);
  tensors.scale_B = at::randn({rank, in}).set_requires_grad(true);
  tensors.rank_magnitude = at::randn({rank}).set_requires_grad(true);
  tensors.lut = at::tensor(make_lut(lut_size), at::kFloat);
  tensors.indices = at::randint(0, lut_size, {out, in}, at::kByte);
  V2Linear layer("bench", config, tensors);

  std::printf(
      "{\"bench\": \"layer\", \"out\": %lld, \"in\": %lld, \"rank\": %lld, \"tokens\": %lld, \"lut\": %lld, "
      "\"threads\": %d",
      static_cast<long long>(out), static_cast<long long>(in), static_cast<long long>(rank),
      static_cast<long long>(tokens), static_cast<long long>(lut_size), at::get_num_threads());
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const std::string prefix = dtype == at::kFloat ? "fp32" : "bf16";
    const at::Tensor x = at::randn({tokens, in}).to(dtype).set_requires_grad(true);
    const at::Tensor dy = at::randn({tokens, out}).to(dtype);
    const auto step = [&] {
      layer.begin_step();
      layer.forward(x).backward(dy);
    };
    const auto timed = [&](ForwardMode mode, bool ste, int times) {
      layer.set_numerics({mode, ste});
      if (times > 1) step();  // warm-up
      return fastest_ms(times, step);
    };
    const at::Tensor w = layer.effective_weight(dtype);
    const at::Tensor x0 = x.detach();
    const double gemm = fastest_ms(repeats + 1, [&] {
      at::mm(x0, w.t());
      at::mm(dy, w);
      at::mm(dy.t(), x0);
    });
    const double materialised = timed(ForwardMode::materialised, false, repeats);
    const double materialised_ste = timed(ForwardMode::materialised, true, repeats);
    const double batched = timed(ForwardMode::batched, false, 1);
    const double loop = timed(ForwardMode::loop, false, 1);
    std::printf(
        ", \"%s\": {\"three_gemms_ms\": %.2f, \"materialised_ms\": %.2f, \"materialised_ste_ms\": %.2f, "
        "\"batched_ms\": %.1f, \"loop_ms\": %.1f, \"materialised_over_gemms\": %.3f, "
        "\"batched_over_materialised\": %.1f, \"loop_over_materialised\": %.1f}",
        prefix.c_str(), gemm, materialised, materialised_ste, batched, loop, materialised / gemm,
        batched / materialised, loop / materialised);
    std::fflush(stdout);
  }
  // The forwards compute one function: what was timed must agree.
  const at::Tensor probe = at::randn({4, in});
  layer.set_numerics({ForwardMode::loop, false});
  const at::Tensor expected = layer.forward(probe).detach();
  layer.set_numerics({ForwardMode::materialised, false});
  const double difference =
      ((layer.forward(probe).detach() - expected).norm() / expected.norm()).item<double>();
  std::printf(", \"difference\": %.2e}\n", difference);
  return difference < kSameFunction ? 0 : 1;
}
