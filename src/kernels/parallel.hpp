// Row parallelism. On quiet cores the loops run on LibTorch's own thread pool, in equal shares. A thread that
// another program keeps off its core would then hold up all others at the end of every loop, so on shared
// cores the same threads' work is taken in small pieces by a pool of our own, whose waits sleep at once.
// ATen's parallel_for is a template that runs serially in every file compiled without OpenMP; parallel.cpp is
// compiled once, with it, and costs its callers no header. May be called from any thread; nested calls run
// serially.
#pragma once

#include <cstdint>
#include <functional>

namespace anemll::kernels {

/// Whether other programs run on our cores.
enum class Cores {
  automatic,  ///< by how long our threads wait for a core, looked at some times a second
  quiet,
  shared
};

/// The threads of this process for parallel_for and LibTorch's own operators, the caller among them, and what
/// is assumed of the cores. Before the first call LibTorch's default holds and cores count as quiet. Called
/// by the thread that computes.
void set_threads(int count, Cores cores = Cores::automatic);

/// True when a loop or product started now would run on the pool of small pieces; looks again when it is
/// time.
bool cores_are_shared();

/// Calls body(begin, end) on disjoint ranges that cover [0, count), each at least `grain` long where
/// possible. The cut depends on threads and cores, so a result must not depend on the cut. An exception of a
/// body is rethrown here, after all of them ended.
void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body);

}  // namespace anemll::kernels
