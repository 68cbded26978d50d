// Time and memory of the fused head and loss at the size of SmolLM2-135M (504 tokens, vocabulary 49152,
// hidden 576).
// On a machine that does other work, run it with one thread and read the cpu columns.
//   head_loss_bench [threads=2] [repeats=5] [tokens=504] [vocab=49152] [hidden=576]
// Columns: `gemm_ms` the two products alone, chunked alike; `total_ms` the whole loss with its gradient;
// `rest_ms` the difference; `candidates_ms` the loss without hard weights; `objectives` each objective with
// the hard term and the default chunk; errors are against plain fp32 tensor operations.
#include "src/distill/kd_loss.hpp"
#include "tests/unit/distill/kd_case.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

namespace {

using anemll::KdLossOptions;
using anemll::KdLossSums;
using anemll::test::KdCase;
using nlohmann::json;

/// bfloat16 logits: see the unit tests of the loss.
constexpr double kLossTolerance = 1e-2;
constexpr double kGradientTolerance = 5e-2;

struct Times {
  double wall_ms = 1e300;
  double cpu_ms = 1e300;
};

Times best_of(int repeats, const std::function<void()>& body) {
  Times best;
  for (int i = 0; i <= repeats; ++i) {  // the first one warms up
    const auto begin = std::chrono::steady_clock::now();
    const std::clock_t cpu_begin = std::clock();
    body();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    const double cpu_ms = 1e3 * static_cast<double>(std::clock() - cpu_begin) / CLOCKS_PER_SEC;
    if (i > 0) best = {std::min(best.wall_ms, took.count()), std::min(best.cpu_ms, cpu_ms)};
  }
  return best;
}

/// The two products of the loss, chunk by chunk as the loss runs them.
void products(const at::Tensor& hidden, const at::Tensor& head, std::int64_t chunk,
              const at::Tensor& buffer) {
  for (std::int64_t begin = 0; begin < hidden.size(0); begin += chunk) {
    const std::int64_t count = std::min(chunk, hidden.size(0) - begin);
    at::Tensor part = buffer.narrow(0, 0, count);
    at::mm_out(part, hidden.narrow(0, begin, count).to(head.scalar_type()), head.t());
    at::mm(part, head);
  }
}

json measure(const KdCase& kd, const at::Tensor& head, KdLossOptions options, int repeats) {
  json rows = json::array();
  const at::Tensor gradient = at::empty_like(kd.hidden);
  for (const std::int64_t chunk : {16, 32, 64, 126, 168, 252, 504}) {
    if (chunk > kd.hidden.size(0)) continue;
    options.chunk_tokens = chunk;
    const at::Tensor buffer = at::empty({chunk, head.size(0)}, head.options());
    const Times gemm = best_of(repeats, [&] { products(kd.hidden, head, chunk, buffer); });
    const Times total =
        best_of(repeats, [&] { anemll::kd_loss(kd.hidden, head, kd.targets, options, gradient); });
    rows.push_back({{"chunk_tokens", chunk},
                    {"gemm_ms", gemm.wall_ms},
                    {"total_ms", total.wall_ms},
                    {"rest_ms", total.wall_ms - gemm.wall_ms},
                    {"gemm_cpu_ms", gemm.cpu_ms},
                    {"total_cpu_ms", total.cpu_ms},
                    {"rest_cpu_ms", total.cpu_ms - gemm.cpu_ms}});
  }
  return rows;
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int index, int fallback) {
    return index < argc ? std::atoi(argv[index]) : fallback;
  };
  const int threads = argument(1, 2);
  const int repeats = argument(2, 5);
  at::set_num_threads(threads);
  const KdCase kd = anemll::test::make_kd_case({.tokens = argument(3, 504),
                                                .vocab = argument(4, 49152),
                                                .hidden = argument(5, 576),
                                                .cached = 64,
                                                .negatives = 128});
  KdLossOptions options;
  options.hard_top1 = 0.2;
  options.hard_full = 5e-5;

  const at::Tensor bf16 = kd.head.to(at::kBFloat16);
  json report{{"bench", "head_loss"},
              {"threads", threads},
              {"tokens", kd.hidden.size(0)},
              {"vocab", kd.head.size(0)},
              {"hidden", kd.hidden.size(1)}};
  report["bf16"] = measure(kd, bf16, options, repeats);
  report["fp32"] = measure(kd, kd.head, options, std::max(1, repeats / 2));
  const at::Tensor gradient = at::empty_like(kd.hidden);
  KdLossOptions candidates;
  const Times bf16_candidates =
      best_of(repeats, [&] { anemll::kd_loss(kd.hidden, bf16, kd.targets, candidates, gradient); });
  const Times fp32_candidates =
      best_of(repeats, [&] { anemll::kd_loss(kd.hidden, kd.head, kd.targets, candidates, gradient); });

  // The objectives that look at the whole vocabulary, with the hard term and the default chunk.
  KdCase whole = kd;
  whole.targets.teacher_hidden = kd.hidden.to(at::kHalf);
  whole.targets.teacher_lse = at::full({kd.hidden.size(0)}, 20.0, at::kFloat);
  KdLossOptions objective = options;
  for (const auto& [name, word] :
       {std::pair{"topk", "topk"}, std::pair{"topk_tail", "topk-tail"}, std::pair{"exact", "exact"}}) {
    objective.objective = anemll::objective_named(word);
    for (const at::Tensor& head : {bf16, kd.head}) {
      const Times times =
          best_of(repeats, [&] { anemll::kd_loss(whole.hidden, head, whole.targets, objective, gradient); });
      const std::string key = std::string(head.is_same(bf16) ? "bf16_" : "fp32_") + name;
      report["objectives"][key + "_ms"] = times.wall_ms;
      report["objectives"][key + "_cpu_ms"] = times.cpu_ms;
    }
  }

  report["bf16_candidates_ms"] = bf16_candidates.wall_ms;
  report["bf16_candidates_cpu_ms"] = bf16_candidates.cpu_ms;
  report["fp32_candidates_ms"] = fp32_candidates.wall_ms;
  report["fp32_candidates_cpu_ms"] = fp32_candidates.cpu_ms;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  report["peak_rss_mb"] =
      static_cast<double>(usage.ru_maxrss) / 1024.0;  // before the comparison, which needs more

  const at::Tensor expected_gradient = at::empty_like(kd.hidden);
  const KdLossSums expected =
      anemll::kd_loss_generic(kd.hidden, kd.head, kd.targets, options, expected_gradient);
  const KdLossSums got = anemll::kd_loss(kd.hidden, bf16, kd.targets, options, gradient);
  const double loss_error = std::abs(got.total / expected.total - 1);
  const double gradient_error =
      (gradient - expected_gradient).norm().item<double>() / expected_gradient.norm().item<double>();
  const bool verified = loss_error < kLossTolerance && gradient_error < kGradientTolerance;
  report["bf16_loss_error"] = loss_error;
  report["bf16_gradient_error"] = gradient_error;
  report["verified"] = verified;
  std::cout << report.dump(2) << '\n';
  return verified ? 0 : 1;
}
