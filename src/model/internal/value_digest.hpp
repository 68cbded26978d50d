// One pass over the values of a tensor: whether all are numbers, and a digest of them.
#pragma once

#include "anemll/core/tensor.hpp"
#include "src/core/hash.hpp"

namespace anemll {

struct ValueDigest {
  bool finite = true;          ///< no value is NaN or infinite
  Sha256::Digest sha256 = {};  ///< equal for equal values, whether they are stored as F32, F16 or BF16
};

/// `tensor`: F32, F16 or BF16. Every value counts: a tensor in which one differs has another digest. Shape
/// and name are not part of it. Works in parallel; the result does not depend on the number of threads.
/// Recognises files, and is no protection against somebody who wants two of them to look alike.
ValueDigest digest_values(const HostTensor& tensor);

}  // namespace anemll
