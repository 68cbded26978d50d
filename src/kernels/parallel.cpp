// The one file of this room that is compiled with OpenMP; see parallel.hpp.
#include "src/kernels/parallel.hpp"

#include <algorithm>

#include <ATen/Parallel.h>

namespace anemll::kernels {

void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body) {
  at::parallel_for(0, count, std::max<std::int64_t>(grain, 1),
                   [&body](std::int64_t begin, std::int64_t end) { body(begin, end); });
}

}  // namespace anemll::kernels
