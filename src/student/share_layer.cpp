#include "src/student/share_layer.hpp"

#include <cstddef>
#include <string>

#include <ATen/ops/empty.h>

namespace anemll {

void share_layer(Communicator& comm, int owner, const std::vector<TensorRow>& table, LayerTensors& tensors) {
  if (comm.size() == 1) return;
  for (const TensorRow& row : table) {
    if (row.optional) continue;
    at::Tensor& tensor = tensors[std::string(row.suffix)];
    tensor = comm.rank() == owner ? tensor.contiguous() : at::empty(row.shape, row.dtype);
    comm.broadcast({static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()}, owner);
  }
}

}  // namespace anemll
