// The reference's evaluation: KD loss without hard terms, fp32, arithmetic mean over the per-sequence means.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/data/kd_cache.hpp"
#include "src/model/decoder.hpp"

#include <cstdint>

namespace anemll {

/// `samples`: the same rows on every rank; each rank scores its share and all get the mean. The decoder
/// computes in fp32 meanwhile (its compute dtype is restored). No gradients. Returns NaN when the model
/// produces NaN.
double evaluate_kd(Decoder& decoder, const KdBatch& samples, double temperature, Communicator& comm);

}  // namespace anemll
