// One linear by each method: output error relative to the output, and seconds. Weight and inputs are made up:
// rows of different size, correlated inputs of which some are much larger. Prints one JSON object.
//   solve_bench [OUT [IN [LUT [RANK [THREADS [SEED]]]]]]
#include "src/kernels/parallel.hpp"
#include "src/solve/solve.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>

namespace {

using namespace anemll;

std::int64_t argument(int argc, char** argv, int position, std::int64_t otherwise) {
  return argc > position ? std::atoll(argv[position]) : otherwise;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t out = argument(argc, argv, 1, 1536);
  const std::int64_t in = argument(argc, argv, 2, 576);
  LinearQuant quant;
  quant.lut_size = argument(argc, argv, 3, 4);
  quant.rank = argument(argc, argv, 4, 32);
  quant.group_size = 16;
  kernels::set_threads(static_cast<int>(argument(argc, argv, 5, at::get_num_threads())),
                       kernels::Cores::quiet);
  at::manual_seed(static_cast<std::uint64_t>(argument(argc, argv, 6, 1)));

  const at::Tensor weight = at::randn({out, in}).mul_(at::randn({out, 1}).mul_(0.4).exp_()).mul_(0.1);
  const at::Tensor x = at::randn({4 * in, in / 4}).mm(at::randn({in / 4, in})).div_(in / 8);
  x.add_(at::randn({4 * in, in}).mul_(0.5)).mul_(at::randn({in}).mul_(0.7).exp_());
  const at::Tensor second = x.t().mm(x).to(at::kDouble);
  const auto comm = make_single_communicator();

  std::printf(
      "{\"bench\": \"solve\", \"out\": %lld, \"in\": %lld, \"lut\": %lld, \"rank\": %lld, \"threads\": %d",
      static_cast<long long>(out), static_cast<long long>(in), static_cast<long long>(quant.lut_size),
      static_cast<long long>(quant.rank), at::get_num_threads());
  auto start = std::chrono::steady_clock::now();
  const SolveMoments moments(second, {}, {}, "bench");
  std::printf(", \"moments_s\": %.3f", seconds_since(start));
  bool falls = true;
  double before = 1e300;
  for (const auto& method : kStartMethods) {
    SolveOptions options;
    options.method = method.value;
    start = std::chrono::steady_clock::now();
    const SolvedLinear solved = solve_linear(weight, quant, &moments, {}, options, *comm);
    std::printf(", \"%s\": {\"error\": %.5f, \"s\": %.3f, \"history\": [", std::string(method.name).c_str(),
                solved.squared_error / solved.squared_output, seconds_since(start));
    for (std::size_t i = 0; i < solved.history.size(); ++i)
      std::printf("%s%.5f", i == 0 ? "" : ", ", solved.history[i] / solved.squared_output);
    std::printf("]}");
    std::fflush(stdout);
    falls = falls && solved.squared_error < before;
    before = solved.squared_error;
  }
  std::printf("}\n");
  return falls ? 0 : 1;
}
