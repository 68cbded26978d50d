// Row parallelism on LibTorch's own thread pool. ATen's parallel_for is a template that runs serially in
// every file compiled without OpenMP; this one is compiled once, with it, and costs its callers no header.
// May be called from any thread; nested calls run serially.
#pragma once

#include <cstdint>
#include <functional>

namespace anemll::kernels {

/// Calls body(begin, end) on disjoint ranges that cover [0, count), each at least `grain` long where
/// possible.
void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body);

}  // namespace anemll::kernels
