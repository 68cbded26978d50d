// The machine's own speed, to judge others by: square 4096 products in fp32, and in bf16 where the processor
// multiplies it; elsewhere one takes minutes, and the figure is null.
//   gemm_bench [THREADS]   (default: LibTorch's own count)
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

/// The best of a few runs, in GFLOP/s (a multiply-add counts 2).
double rate(at::ScalarType dtype) {
  const at::Tensor a = at::randn({kSize, kSize}).to(dtype);
  const at::Tensor b = at::randn({kSize, kSize}).to(dtype);
  at::Tensor c = at::empty({kSize, kSize}, a.options());
  double best = 1e30;
  for (int run = 0; run <= kRuns; ++run) {
    const auto start = std::chrono::steady_clock::now();
    at::mm_out(c, a, b);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (run > 0) best = std::min(best, seconds);
  }
  return 2.0 * kSize * kSize * kSize / best / 1e9;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) at::set_num_threads(std::atoi(argv[1]));
  const std::string bf16 = anemll::cpu_has_bf16() ? anemll::strf("%.1f", rate(at::kBFloat16)) : "null";
  std::printf("{\"threads\": %d, \"gemm_fp32_gflops\": %.1f, \"gemm_bf16_gflops\": %s}\n",
              at::get_num_threads(), rate(at::kFloat), bf16.c_str());
  return 0;
}
