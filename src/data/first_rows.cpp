#include "src/data/first_rows.hpp"

#include "anemll/core/log.hpp"

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

namespace anemll {

namespace {

/// `check`: what else the opened cache must be.
template <class Check>
KdBatch read_rows(const std::filesystem::path& cache, const std::filesystem::path& work_dir,
                  std::int64_t count, std::int64_t vocab_size, CachePart part, const Check& check) {
  std::unique_ptr<Progress> bar;
  const auto progress = [&bar](std::int64_t done, std::int64_t total) {
    if (!bar) bar = std::make_unique<Progress>("Importing the KD cache", total, "samples");
    bar->update(done);
    if (done == total) bar->finish();
  };
  const std::filesystem::path path = ensure_hdf5_cache(cache, work_dir, progress);
  bar.reset();
  KdCache opened = KdCache::open(path, part);
  check(opened.info());
  opened.require_vocabulary(vocab_size);
  std::vector<std::int64_t> rows(static_cast<std::size_t>(std::min(count, opened.info().sequences)));
  std::iota(rows.begin(), rows.end(), 0);
  KdBatch batch;
  opened.read(rows, {}, batch);
  return batch;
}

}  // namespace

KdBatch read_first_rows(const std::filesystem::path& cache, const std::filesystem::path& work_dir,
                        std::int64_t count, const ModelIds& ids, CachePart part) {
  return read_rows(cache, work_dir, count, ids.rows, part,
                   [&](const KdCacheInfo& info) { require_own_tokens(info, ids, cache.string()); });
}

KdBatch read_checked_rows(const std::filesystem::path& cache, const std::filesystem::path& work_dir,
                          std::int64_t count, std::int64_t vocab_size, CachePart part) {
  return read_rows(cache, work_dir, count, vocab_size, part, [](const KdCacheInfo&) {});
}

}  // namespace anemll
