#include "src/data/first_rows.hpp"

#include "anemll/core/log.hpp"

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

namespace anemll {

KdBatch read_first_rows(const std::filesystem::path& cache, const std::filesystem::path& work_dir,
                        std::int64_t count, const ModelIds& ids, CachePart part) {
  std::unique_ptr<Progress> bar;
  const auto progress = [&bar](std::int64_t done, std::int64_t total) {
    if (!bar) bar = std::make_unique<Progress>("Importing the KD cache", total, "samples");
    bar->update(done);
    if (done == total) bar->finish();
  };
  const std::filesystem::path path = ensure_hdf5_cache(cache, work_dir, progress);
  bar.reset();
  KdCache opened = KdCache::open(path, part);
  require_own_tokens(opened.info(), ids, cache.string());
  opened.require_vocabulary(ids.rows);
  std::vector<std::int64_t> rows(static_cast<std::size_t>(std::min(count, opened.info().sequences)));
  std::iota(rows.begin(), rows.end(), 0);
  KdBatch batch;
  opened.read(rows, {}, batch);
  return batch;
}

}  // namespace anemll
