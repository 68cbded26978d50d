// A stream as collectives see it: work that runs in order, on the stream's own thread.
#pragma once

#include <functional>

#include <cuda_runtime_api.h>

namespace anemll::standin {

/// Runs `task` behind all that `stream` was given; the null stream runs it before this returns.
void enqueue(cudaStream_t stream, std::function<void()> task);

}  // namespace anemll::standin
