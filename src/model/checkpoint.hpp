// Recompute instead of keep: runs a segment without recording it and runs it again in backward.
#pragma once

#include <functional>
#include <utility>

#include <ATen/core/Tensor.h>

namespace anemll {

/// What flows between decoder layers: the fp32 residual stream and the not yet added output of the last block
/// (undefined before the first layer).
struct Stream {
  at::Tensor hidden;
  at::Tensor delta;
};

using Segment = std::function<Stream(const Stream&)>;

/// segment(in), keeping only `in` for backward. There the segment runs a second time (forward twice, backward
/// once), and gradients of whatever parameters it uses reach them as usual. Without grad mode it just runs.
Stream checkpoint(const Segment& segment, const Stream& in);

}  // namespace anemll
