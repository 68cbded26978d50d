// One file of a repository into the cache's blobs: locked, resumed where it stopped, checked against its
// etag, and named only when it is whole.
#pragma once

#include "src/hub/internal/hub_client.hpp"
#include "src/hub/internal/repo_cache.hpp"
#include "src/hub/internal/settings.hpp"

#include <cstdint>
#include <functional>

namespace anemll {

/// Bytes of the file that are there so far.
using BytesDone = std::function<void(std::uint64_t bytes)>;

/// Whether the cache has the blob of this file. A blob of another size than the hub tells is not it.
bool has_blob(const RepoCache& cache, const RemoteFile& file);

/// Throws a data error when the file cannot be had; what came of it stays for the next time where that can be
/// checked.
void fetch_blob(HubClient& client, const RepoCache& cache, const HubSettings& settings,
                const RemoteFile& file, const BytesDone& progress);

}  // namespace anemll
