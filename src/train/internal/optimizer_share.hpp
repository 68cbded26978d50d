// The part of the flat parameter buffer whose moments a rank keeps: all of it, or with --shard-optimizer a
// share of it. The update is element by element, so that shares change no bit.
#pragma once

#include "anemll/comm/communicator.hpp"

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll {

class OptimizerShare {
 public:
  /// `comm` must outlive it. `numel` of the whole buffer.
  OptimizerShare(Communicator& comm, std::int64_t numel, bool shard);

  std::int64_t begin() const { return begin_of(comm_.rank()); }
  std::int64_t end() const { return begin_of(comm_.rank() + 1); }
  /// This rank's part of a whole flat buffer.
  at::Tensor mine(const at::Tensor& flat) const { return flat.narrow(0, begin(), end() - begin()); }

  /// Each rank's part of `flat` goes to all others. Collective.
  void complete(const at::Tensor& flat) const;
  /// The whole buffer, on rank 0, of which each rank gives its part; undefined elsewhere. The part itself,
  /// everywhere, where it is the whole. Collective.
  at::Tensor whole(const at::Tensor& part) const;

 private:
  std::int64_t begin_of(int rank) const;

  Communicator& comm_;
  std::int64_t numel_;
  bool sharded_;
};

}  // namespace anemll
