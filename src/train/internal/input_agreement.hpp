// The files of a run as every rank sees them, held against each other before the ranks compute together.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/data/kd_cache.hpp"
#include "anemll/train/train_options.hpp"
#include "src/train/internal/saved_state.hpp"

#include <filesystem>
#include <optional>
#include <string>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace anemll {

/// What options mean on this rank's host. A usage error on all ranks when the hosts differ. Collective.
void compare_hosts(at::Device device, at::ScalarType compute, Communicator& comm);

/// Cache, source and state, before anything is loaded: fingerprints and, because that of a cache looks at
/// stated hashes only, a digest of the content. A data error on all ranks that names what differs.
/// Collective; a rank whose files cannot be read throws alone.
void compare_inputs(const TrainOptions& options, const KdCacheInfo& cache,
                    const std::filesystem::path& cache_path, const std::optional<SavedState>& state,
                    Communicator& comm);

}  // namespace anemll
