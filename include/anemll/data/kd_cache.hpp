// The KD cache: teacher top-k logits of packed token blocks, as a folder of HDF5 shards with an index, or
// one .h5 file. Schema in src/data/README.md. One thread per process calls these functions.
#pragma once

#include "anemll/data/kd_batch.hpp"
#include "anemll/data/kd_columns.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace anemll {

/// What a whole cache is: the shape of its rows, and facts.
struct KdCacheInfo : CacheShape {
  std::int64_t sequences = 0;
  std::int64_t shards = 0;
  bool all_attended = true;            ///< every attention_mask entry is 1
  std::int64_t holdout_sequences = 0;  ///< rows of the hold-out part, which are not among `sequences`
  std::string meta_json;               ///< provenance: the reference's meta.json keys and ours
  std::string fingerprint;             ///< hex digest over shard hashes; equal iff the content is
};

/// The rows to train on, and those kept out of training.
enum class CachePart { training, holdout };

/// Rows whose attention mask leaves no position to learn from.
struct UnsupervisedRows {
  std::int64_t count = 0;
  std::vector<std::int64_t> first;  ///< numbers of the first few
};

class KdCache {
 public:
  /// Opens and validates every shard: names, shapes, dtypes, equal L, S, K, R, vocabulary, and index against
  /// files. `path`: a folder with index.json, or one .h5 file. Data errors name shard and dataset.
  /// The hold-out part, when `path` has none, is a data error (see KdCacheInfo::holdout_sequences).
  /// Datasets that `columns` does not name are not looked at.
  static KdCache open(const std::filesystem::path& path, CachePart part = CachePart::training,
                      ColumnTable columns = kd_columns());
  KdCache(KdCache&&) noexcept;
  KdCache& operator=(KdCache&&) noexcept;
  ~KdCache();

  const KdCacheInfo& info() const;
  /// The model that will use the rows has `vocab_size` ids. Files pad vocabularies differently, so another
  /// number than the cache's is no fault: ids are held against the smaller of both as they are read.
  void require_vocabulary(std::int64_t vocab_size);
  /// Reads rows by global index into `batch` (resized): tokens, and of top-k and `payloads` what the cache
  /// has. -1 gives a row that is missing, whose ids and logits are 0 and whose mask is 1, so that attention
  /// over it stays finite. Ids outside the vocabulary and numbers that are not finite are data errors, here
  /// as in verify().
  void read(std::span<const std::int64_t> rows, PayloadSet payloads, KdBatch& batch);
  /// Reads everything: hashes, 0 <= ids < vocab_size, finite logits in descending order. Throws at the first
  /// fault. Returns the rows that are no fault but teach nothing.
  UnsupervisedRows verify(const std::function<void(std::int64_t done, std::int64_t total)>& progress);

 private:
  struct Impl;
  explicit KdCache(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The files that `cache` (an HDF5 folder or file) is read from: index, shards, hold-out shards.
std::vector<std::filesystem::path> cache_files(const std::filesystem::path& cache);

struct ImportOptions {
  std::int64_t compress = 0;  ///< 0: contiguous; 1..9: one chunk per sample, shuffle + gzip
  bool overwrite = false;
  bool with_negatives = true;  ///< keep rand_idx and rand_logits
  ColumnTable columns = kd_columns();
};
using ImportProgress = std::function<void(std::int64_t done, std::int64_t total)>;

/// Reference folder (qwen_kd_topk_cache_v1: shard_*.pt + meta.json) to HDF5 folder.
void import_torch_cache(const std::filesystem::path& source, const std::filesystem::path& destination,
                        const ImportOptions& options, const ImportProgress& progress);
/// The same out of an archive (.tgz, .tar, .tar.zst) that holds the files of one cache. Those of an HDF5
/// cache are checked and taken as they are. Usage errors as above; data errors: no archive, damaged, no cache
/// or several in it, links in it.
void import_cache_archive(const std::filesystem::path& source, const std::filesystem::path& destination,
                          const ImportOptions& options, const ImportProgress& progress);
/// The way back; a folder that the reference reads.
void export_torch_cache(const std::filesystem::path& source, const std::filesystem::path& destination,
                        bool overwrite, const ImportProgress& progress, ColumnTable columns = kd_columns());

enum class CacheKind { hdf5_folder, hdf5_file, torch_folder };
/// What `path` is, by its content. A data error says what was expected when it is none of these.
CacheKind identify_cache(const std::filesystem::path& path);
/// Whether `path` can be nothing else: an index.json of our format, .pt shards beside a meta.json, an HDF5
/// file. False for what cannot be read.
bool is_plainly_cache(const std::filesystem::path& path);

/// A path that KdCache::open takes: `path` itself, or for a .pt folder its import under `work_dir`
/// (made now with `progress`, or reused while the fingerprint of the source files holds). Rank 0 only.
std::filesystem::path ensure_hdf5_cache(const std::filesystem::path& path,
                                        const std::filesystem::path& work_dir,
                                        const ImportProgress& progress);

}  // namespace anemll
