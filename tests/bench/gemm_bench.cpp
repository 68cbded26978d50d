// The machine's own speed, to judge others by: square 4096 products in fp32, and in bf16 where the processor
// multiplies it; elsewhere one takes minutes, and the figure is null.
//   gemm_bench [THREADS | cpu | cuda]   (default: the CPU, with LibTorch's own count of threads)
#include "anemll/core/log.hpp"
#include "src/core/platform.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>

namespace {

constexpr std::int64_t kSize = 4096;
constexpr int kRuns = 5;
constexpr int kOnGpu = 50;  // products of one run there

/// The best of a few runs, in GFLOP/s (a multiply-add counts 2). A GPU's time ends when a value is here.
double rate(at::ScalarType dtype, at::Device device) {
  const at::Tensor a = at::randn({kSize, kSize}).to(device, dtype);
  const at::Tensor b = at::randn({kSize, kSize}).to(device, dtype);
  at::Tensor c = at::empty({kSize, kSize}, a.options());
  const int products = device.is_cpu() ? 1 : kOnGpu;
  double best = 1e30;
  for (int run = 0; run <= kRuns; ++run) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < products; ++i) at::mm_out(c, a, b);
    if (!device.is_cpu()) c.narrow(0, 0, 1).cpu();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (run > 0) best = std::min(best, seconds / products);
  }
  return 2.0 * kSize * kSize * kSize / best / 1e9;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string word = argc > 1 ? argv[1] : "";
  const at::Device device(word == "cuda" ? at::kCUDA : at::kCPU);
  if (word != "" && word != "cuda" && word != "cpu") at::set_num_threads(std::atoi(word.c_str()));
  const bool fast = !device.is_cpu() || anemll::cpu_has_bf16();
  const std::string bf16 = fast ? anemll::strf("%.1f", rate(at::kBFloat16, device)) : "null";
  std::printf("{\"threads\": %d, \"gemm_fp32_gflops\": %.1f, \"gemm_bf16_gflops\": %s}\n",
              at::get_num_threads(), rate(at::kFloat, device), bf16.c_str());
  return 0;
}
