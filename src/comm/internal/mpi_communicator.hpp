// Ranks as MPI processes. One thread, the one that initialised MPI, may call it (MPI_THREAD_FUNNELED).
#pragma once

#include "anemll/comm/communicator.hpp"

#include <cstddef>
#include <memory>

#include <mpi.h>

namespace anemll {

/// Sizes that tests shrink to reach every path with little data.
struct MpiLimits {
  /// MPI counts are ints; longer transfers are cut.
  std::size_t message_bytes = std::size_t{1} << 28;
  /// Reductions of at most this many bytes over all ranks go as one gather.
  std::size_t gather_bytes = std::size_t{1} << 15;
  /// One round of a long reduction; two rounds are under way at a time.
  std::size_t window_bytes = std::size_t{4} << 20;
};

/// Collective over `parent`, which is duplicated. Must be gone before MPI_Finalize.
std::unique_ptr<Communicator> make_mpi_communicator(MPI_Comm parent, const MpiLimits& limits = {});

}  // namespace anemll
