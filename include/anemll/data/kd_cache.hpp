// The KD cache: teacher top-k logits of packed token blocks, as a folder of HDF5 shards with an index, or
// one .h5 file. Schema in src/data/README.md. One thread per process calls these functions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace anemll {

struct KdCacheInfo {
  std::int64_t sequences = 0;
  std::int64_t length = 0;      ///< L, tokens per sequence
  std::int64_t positions = 0;   ///< supervised positions per sequence, at most L - 1
  std::int64_t topk = 0;        ///< K
  std::int64_t rand_neg = 0;    ///< R, 0 when absent
  std::int64_t vocab_size = 0;  ///< 0 when the source did not say
  std::int64_t shards = 0;
  bool all_attended = true;            ///< every attention_mask entry is 1
  bool lse_t1 = false;                 ///< has logsumexp of all teacher logits
  double lse_train_temperature = 0;    ///< of lse_train, 0 when that is absent
  std::int64_t hidden = 0;             ///< H of the teacher's last hidden states, 0 when absent
  std::string head_sha256;             ///< of the head that they belong to (anemll::head_sha256)
  std::int64_t holdout_sequences = 0;  ///< rows of the hold-out part, which are not among `sequences`
  std::string meta_json;               ///< provenance: the reference's meta.json keys and ours
  std::string fingerprint;             ///< hex digest over shard hashes; equal iff the content is
};

/// Which optional datasets a read fetches; what a cache lacks is left empty.
struct KdPayloads {
  bool negatives = false;
  bool lse = false;
  bool hidden = false;
};

/// The rows to train on, and those kept out of training.
enum class CachePart { training, holdout };

/// Rows of a cache in one contiguous block each; `n` = rows.
struct KdBatch {
  std::int64_t rows = 0;
  std::int64_t length = 0;
  std::int64_t positions = 0;
  std::int64_t topk = 0;
  std::int64_t rand_neg = 0;                 ///< 0 unless negatives were asked for
  std::vector<std::int32_t> input_ids;       ///< [n, L]
  std::vector<std::uint8_t> attention_mask;  ///< [n, L]
  std::vector<std::int32_t> topk_idx;        ///< [n, S, K]
  std::vector<std::uint16_t> topk_logits;    ///< [n, S, K], IEEE binary16 bits
  std::vector<std::int32_t> rand_idx;        ///< [n, S, R]
  std::vector<float> lse_t1;                 ///< [n, S]
  std::vector<float> lse_train;              ///< [n, S]
  std::int64_t hidden_size = 0;              ///< 0 unless hidden states were asked for
  std::vector<std::uint16_t> hidden;         ///< [n, S, H], IEEE binary16 bits
  std::vector<float> row_weight;             ///< [n], 0 for padding rows
};

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
  static std::unique_ptr<KdCache> open(const std::filesystem::path& path,
                                       CachePart part = CachePart::training);
  virtual ~KdCache() = default;

  virtual const KdCacheInfo& info() const = 0;
  /// The model that will use the rows has `vocab_size` ids. Files pad vocabularies differently, so another
  /// number than the cache's is no fault: ids are held against the smaller of both as they are read.
  virtual void require_vocabulary(std::int64_t vocab_size) = 0;
  /// Reads rows by global index into `batch` (resized); -1 gives a row with weight 0 whose ids and logits are
  /// 0 and whose mask is 1, so that attention over it stays finite. Ids outside the vocabulary and logits
  /// that are not finite are data errors, here as in verify().
  virtual void read(std::span<const std::int64_t> rows, KdPayloads payloads, KdBatch& batch) = 0;
  /// Reads everything: hashes, 0 <= ids < vocab_size, finite logits in descending order. Throws at the first
  /// fault. Returns the rows that are no fault but teach nothing.
  virtual UnsupervisedRows verify(
      const std::function<void(std::int64_t done, std::int64_t total)>& progress) = 0;
};

/// The files that `cache` (an HDF5 folder or file) is read from: index, shards, hold-out shards.
std::vector<std::filesystem::path> cache_files(const std::filesystem::path& cache);

struct ImportOptions {
  std::int64_t compress = 0;  ///< 0: contiguous; 1..9: one chunk per sample, shuffle + gzip
  bool overwrite = false;
  bool with_negatives = true;  ///< keep rand_idx and rand_logits
};
using ImportProgress = std::function<void(std::int64_t done, std::int64_t total)>;

/// Reference folder (qwen_kd_topk_cache_v1: shard_*.pt + meta.json) to HDF5 folder.
void import_torch_cache(const std::filesystem::path& source, const std::filesystem::path& destination,
                        const ImportOptions& options, const ImportProgress& progress);
/// The way back; a folder that the reference reads.
void export_torch_cache(const std::filesystem::path& source, const std::filesystem::path& destination,
                        bool overwrite, const ImportProgress& progress);

enum class CacheKind { hdf5_folder, hdf5_file, torch_folder };
/// What `path` is, by its content. A data error says what was expected when it is none of these.
CacheKind identify_cache(const std::filesystem::path& path);

/// A path that KdCache::open takes: `path` itself, or for a .pt folder its import under `work_dir`
/// (made now with `progress`, or reused while the fingerprint of the source files holds). Rank 0 only.
std::filesystem::path ensure_hdf5_cache(const std::filesystem::path& path,
                                        const std::filesystem::path& work_dir,
                                        const ImportProgress& progress);

}  // namespace anemll
