// Refers to the GPU backend and to LibTorch, so that linking it proves both are complete. Not run in CI.
#include "anemll/comm/communicator.hpp"

#include <ATen/Context.h>

int main() {
  const auto single = anemll::make_single_communicator();
  if (!anemll::nccl_available() || !at::globalContext().hasCUDA()) return 1;
  return anemll::make_nccl_communicator(*single, 0)->size() == 1 ? 0 : 1;
}
