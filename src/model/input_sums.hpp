// What the linears of a decoder get while it works: sums over the tokens, for each linear.
#pragma once

#include "src/model/decoder.hpp"

#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

/// Runs `pass`, and for every linear that it asks adds up `of(x)`, [in], over its calls; x: [N, in], N tokens
/// in the compute dtype. The sums are fp64 on the CPU, in the order of the slots; undefined for one that was
/// not asked. The decoder has its own linears back whatever happens.
std::vector<at::Tensor> sums_of_inputs(Decoder& decoder,
                                       const std::function<at::Tensor(const at::Tensor& x)>& of,
                                       const std::function<void()>& pass);

}  // namespace anemll
