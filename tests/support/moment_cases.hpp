// What sums of moments over ranks must be, checked on one rank of many. The cases throw instead of using
// Boost's macros, which are not safe on the threads of the local backend.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "src/calib/moment_sum.hpp"

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <ATen/ops/equal.h>
#include <ATen/ops/linspace.h>

namespace anemll::test {

inline constexpr std::int64_t kMomentColumns = 24;
inline constexpr std::int64_t kMomentOthers = 10;
inline constexpr std::int64_t kMomentTokens = 40;

/// The inputs of a sequence: a function of its number. The first token of each is large, as in real models.
inline at::Tensor moment_inputs(std::int64_t sequence, double phase = 0) {
  const std::int64_t count = kMomentTokens * kMomentColumns;
  const at::Tensor at =
      at::linspace(1, 500, count, at::kFloat).add(static_cast<double>(sequence) * 11.3 + phase);
  at::Tensor x = at.mul(1.7).sin().add(at.square().mul(0.37).cos()).view({kMomentTokens, kMomentColumns});
  x[0].mul_(sequence % 3 == 0 ? 60 : 3);
  return x;
}

inline at::Tensor moment_weights(std::int64_t sequence) {
  return at::linspace(0.1, 1, kMomentTokens, at::kFloat).mul(static_cast<double>(sequence % 5 + 1));
}

/// The sum of `sequences` sequences, of which this rank adds its own.
inline MomentSum::Result sum_of(std::int64_t sequences, Communicator& comm) {
  MomentSum sum(kMomentColumns, {true, kMomentOthers}, sequences);
  const SequenceShare share = share_of(sequences, comm.rank(), comm.size());
  for (std::int64_t s = share.first; s < share.last; ++s)
    sum.add(s, moment_inputs(s), moment_weights(s),
            moment_inputs(s, 0.2).narrow(1, 0, kMomentOthers).contiguous());
  return sum.finish(comm);
}

inline bool same_bits(const MomentSum::Result& a, const MomentSum::Result& b) {
  const Moments& x = a.moments;
  const Moments& y = b.moments;
  return at::equal(x.diagonal, y.diagonal) && at::equal(x.full, y.full) && at::equal(x.cross, y.cross) &&
         x.tokens == y.tokens && x.weight == y.weight && x.largest == y.largest &&
         x.plain_trace == y.plain_trace && x.plain_largest == y.plain_largest && a.capped == b.capped &&
         a.uncapped_share == b.uncapped_share;
}

/// On any number of ranks the bits of one.
inline void check_moment_sums(Communicator& comm) {
  const auto alone = make_single_communicator();
  for (const std::int64_t sequences : {1, 2, 7, 16, 37, 64}) {
    const MomentSum::Result together = sum_of(sequences, comm);
    if (!same_bits(together, sum_of(sequences, *alone)))
      throw std::runtime_error("rank " + std::to_string(comm.rank()) + " of " + std::to_string(comm.size()) +
                               ": other bits for " + std::to_string(sequences) + " sequences");
  }
}

}  // namespace anemll::test
