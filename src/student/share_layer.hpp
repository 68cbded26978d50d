// The tensors of one layer from the rank that made them to all.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "src/quant/layer.hpp"

#include <vector>

namespace anemll {

/// Every rank ends with `owner`'s tensors; those that may be absent are not sent. Collective. CPU tensors.
void share_layer(Communicator& comm, int owner, const std::vector<TensorRow>& table, LayerTensors& tensors);

}  // namespace anemll
