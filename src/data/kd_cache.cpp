// KdCache over shard files. Owns the open shards (a bounded number of them) and the map from global rows
// to shard rows. Everything but the content of rows is checked once, in open().
#include "anemll/data/kd_cache.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/core/signals.hpp"
#include "src/data/row_checks.hpp"
#include "src/data/schema.hpp"
#include "src/data/shard_file.hpp"

#include <algorithm>
#include <list>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxOpenShards = 64;  // far below the usual limit of 1024 descriptors
constexpr std::size_t kVerifyBlockBytes = std::size_t{4} << 20;
constexpr std::size_t kToldRows = 5;

struct ShardPlace {
  fs::path path;
  std::int64_t first = 0;  // global row of its row 0
  std::int64_t rows = 0;
  std::string sha256;
};

std::string join_meta(const std::string& meta, const std::string& source) {
  auto joined = nlohmann::ordered_json::parse(meta);
  if (!joined.is_object()) joined = nlohmann::ordered_json::object();
  joined["anemll_source"] = nlohmann::ordered_json::parse(source);
  return joined.dump();
}

class ShardedCache final : public KdCache {
 public:
  ShardedCache(const CacheIndex& index, std::vector<ShardPlace> places)
      : shape_(index.shape), bound_(index.shape.vocab_size), places_(std::move(places)) {
    info_.sequences = places_.back().first + places_.back().rows;
    info_.length = shape_.length;
    info_.positions = shape_.positions;
    info_.topk = shape_.topk;
    info_.rand_neg = shape_.rand_neg;
    info_.vocab_size = shape_.vocab_size;
    info_.shards = static_cast<std::int64_t>(places_.size());
    info_.all_attended = index.all_attended;
    info_.lse_t1 = shape_.lse_t1;
    info_.lse_train_temperature = shape_.lse_train ? shape_.lse_train_temperature : 0;
    info_.hidden = shape_.hidden;
    info_.head_sha256 = shape_.head_sha256;
    info_.holdout_sequences = index.holdout_sequences();
    info_.meta_json = join_meta(index.meta_json, index.source_json);
    info_.fingerprint = index.fingerprint();
  }

  void validate();

  const KdCacheInfo& info() const override { return info_; }
  void require_vocabulary(std::int64_t vocab_size) override;
  void read(std::span<const std::int64_t> rows, KdPayloads payloads, KdBatch& batch) override;
  UnsupervisedRows verify(const std::function<void(std::int64_t, std::int64_t)>& progress) override;

 private:
  ShardReader& shard(std::size_t number);
  std::size_t place_of(std::int64_t row) const;
  void shape_batch(std::size_t rows, KdPayloads payloads, KdBatch& batch) const;
  void read_run(std::size_t number, std::int64_t first, std::int64_t count, std::size_t to, KdBatch& batch);
  void check_rows(const ShardReader& reader, std::size_t dataset, std::int64_t first,
                  std::span<const std::byte> bytes, CheckLevel level) const;
  void verify_shard(std::size_t number, UnsupervisedRows& unsupervised,
                    const std::function<void(std::int64_t)>& advanced);
  void count_unsupervised(std::span<const std::byte> masks, std::int64_t first, UnsupervisedRows& rows) const;

  CacheShape shape_;
  KdCacheInfo info_;
  std::int64_t bound_;  // ids must be below; 0 when nobody knows
  std::vector<ShardPlace> places_;
  std::list<std::pair<std::size_t, ShardReader>> open_;  // most recently used first
};

ShardReader& ShardedCache::shard(std::size_t number) {
  const auto found =
      std::find_if(open_.begin(), open_.end(), [&](const auto& e) { return e.first == number; });
  if (found != open_.end()) {
    open_.splice(open_.begin(), open_, found);
    return open_.front().second;
  }
  const ShardPlace& place = places_[number];
  ShardReader reader(place.path);
  const std::string where = place.path.string();
  if (!(reader.shape() == shape_)) {
    throw_data("has " + reader.shape().describe() + "; the index says " + shape_.describe(), where,
               kOtherCacheHint);
  }
  if (reader.rows() != place.rows) {
    throw_data("has " + std::to_string(reader.rows()) + " rows; the index says " + std::to_string(place.rows),
               where, kOtherCacheHint);
  }
  if (reader.sha256() != place.sha256) {
    throw_data("has another hash than the index says", where, kOtherCacheHint);
  }
  if (!reader.all_attended() && info_.all_attended) {
    throw_data("has masked positions; the index says that there are none", where, kMakeAgain);
  }
  if (open_.size() >= kMaxOpenShards) open_.pop_back();
  open_.emplace_front(number, std::move(reader));
  return open_.front().second;
}

// Opens every shard and looks at its first and last row.
void ShardedCache::validate() {
  std::vector<std::byte> buffer;
  bool warned = false;
  for (std::size_t number = 0; number < places_.size(); ++number) {
    const ShardReader& reader = shard(number);
    if (reader.chunk_rows() > 1 && !warned) {
      log_warning(reader.path().string() + ": chunks of " + std::to_string(reader.chunk_rows()) +
                  " rows make shuffled reading slow; anemll_cache writes chunks of one row");
      warned = true;
    }
    for (std::size_t i = 0; i < reader.specs().size(); ++i) {
      buffer.resize(reader.specs()[i].row_bytes());
      for (const std::int64_t row : {std::int64_t{0}, reader.rows() - 1}) {
        reader.read(i, row, 1, buffer.data());
        check_rows(reader, i, row, buffer, CheckLevel::full);
      }
    }
  }
}

void ShardedCache::require_vocabulary(std::int64_t vocab_size) {
  bound_ = shape_.vocab_size == 0 ? vocab_size : std::min(shape_.vocab_size, vocab_size);
}

std::size_t ShardedCache::place_of(std::int64_t row) const {
  const auto after =
      std::upper_bound(places_.begin(), places_.end(), row,
                       [](std::int64_t r, const ShardPlace& place) { return r < place.first; });
  return static_cast<std::size_t>(after - places_.begin()) - 1;
}

void ShardedCache::check_rows(const ShardReader& reader, std::size_t dataset, std::int64_t first,
                              std::span<const std::byte> bytes, CheckLevel level) const {
  const DatasetSpec& spec = reader.specs()[dataset];
  if (const auto fault = find_fault(spec, bound_, bytes, level)) {
    // An id that the cache's own vocabulary has is no damage.
    if (bound_ < shape_.vocab_size && !find_fault(spec, shape_.vocab_size, bytes, level)) {
      throw_data("row " + std::to_string(first + fault->row) + ", " + fault->text + " of the model; the " +
                     "cache was made for " + std::to_string(shape_.vocab_size) + " ids",
                 reader.path().string() + ", dataset " + spec.name,
                 "use the cache of this model's teacher, or a model that has this id");
    }
    throw_row_fault(reader.path(), spec.name, first + fault->row, fault->text);
  }
}

/// Calls `visit(dataset name, values)` for every array of the batch; those not asked for are empty.
template <class Visit>
void for_each_array(KdBatch& batch, const Visit& visit) {
  visit("input_ids", batch.input_ids);
  visit("attention_mask", batch.attention_mask);
  visit("topk_idx", batch.topk_idx);
  visit("topk_logits", batch.topk_logits);
  visit("rand_idx", batch.rand_idx);
  visit("lse_t1", batch.lse_t1);
  visit("lse_train", batch.lse_train);
  visit("hidden", batch.hidden);
}

void ShardedCache::read_run(std::size_t number, std::int64_t first, std::int64_t count, std::size_t to,
                            KdBatch& batch) {
  const ShardReader& reader = shard(number);
  for_each_array(batch, [&](const char* name, auto& values) {
    if (values.empty()) return;
    const std::size_t dataset = reader.find(name);
    const std::size_t row_bytes = reader.specs()[dataset].row_bytes();
    const std::span<std::byte> bytes =
        std::as_writable_bytes(std::span(values))
            .subspan(to * row_bytes, static_cast<std::size_t>(count) * row_bytes);
    reader.read(dataset, first, count, bytes.data());
    check_rows(reader, dataset, first, bytes, CheckLevel::bounds);
  });
}

void ShardedCache::shape_batch(std::size_t rows, KdPayloads payloads, KdBatch& batch) const {
  batch.rows = static_cast<std::int64_t>(rows);
  batch.length = shape_.length;
  batch.positions = shape_.positions;
  batch.topk = shape_.topk;
  batch.rand_neg = payloads.negatives ? shape_.rand_neg : 0;
  batch.hidden_size = payloads.hidden ? shape_.hidden : 0;
  const auto elements = [&](std::int64_t per_row) { return rows * static_cast<std::size_t>(per_row); };
  batch.input_ids.resize(elements(shape_.length));
  batch.attention_mask.resize(elements(shape_.length));
  batch.topk_idx.resize(elements(shape_.positions * shape_.topk));
  batch.topk_logits.resize(batch.topk_idx.size());
  batch.rand_idx.resize(elements(shape_.positions * batch.rand_neg));
  batch.lse_t1.resize(elements(payloads.lse && shape_.lse_t1 ? shape_.positions : 0));
  batch.lse_train.resize(elements(payloads.lse && shape_.lse_train ? shape_.positions : 0));
  batch.hidden.resize(elements(shape_.positions * batch.hidden_size));
  batch.row_weight.assign(rows, 1.0F);
}

void ShardedCache::read(std::span<const std::int64_t> rows, KdPayloads payloads, KdBatch& batch) {
  shape_batch(rows.size(), payloads, batch);
  for (std::size_t i = 0; i < rows.size();) {
    if (rows[i] == -1) {
      for_each_array(batch, [&](std::string_view name, auto& values) {
        using Value = typename std::remove_reference_t<decltype(values)>::value_type;
        const std::size_t n = values.size() / rows.size();
        std::fill_n(values.begin() + static_cast<std::ptrdiff_t>(i * n), n,
                    name == "attention_mask" ? Value{1} : Value{0});
      });
      batch.row_weight[i++] = 0.0F;
      continue;
    }
    if (rows[i] < 0 || rows[i] >= info_.sequences) {
      throw_data(
          "row " + std::to_string(rows[i]) + " asked for, " + std::to_string(info_.sequences) + " there",
          places_.front().path.parent_path().string(), "ask for fewer rows or use a larger cache");
    }
    const std::size_t number = place_of(rows[i]);
    const ShardPlace& place = places_[number];
    std::size_t end = i + 1;
    while (end < rows.size() && rows[end] == rows[end - 1] + 1 && rows[end] < place.first + place.rows) ++end;
    read_run(number, rows[i] - place.first, static_cast<std::int64_t>(end - i), i, batch);
    i = end;
  }
}

void ShardedCache::count_unsupervised(std::span<const std::byte> masks, std::int64_t first,
                                      UnsupervisedRows& rows) const {
  const auto length = static_cast<std::size_t>(shape_.length);
  for (std::size_t at = 0; at + length <= masks.size(); at += length, ++first) {
    const auto* row = reinterpret_cast<const std::uint8_t*>(masks.data() + at);
    if (has_supervision({row, length}, shape_.positions)) continue;
    ++rows.count;
    if (rows.first.size() < kToldRows) rows.first.push_back(first);
  }
}

void ShardedCache::verify_shard(std::size_t number, UnsupervisedRows& unsupervised,
                                const std::function<void(std::int64_t)>& advanced) {
  const ShardReader& reader = shard(number);
  const std::vector<DatasetSpec>& specs = reader.specs();
  std::size_t row_bytes = 1;
  for (const DatasetSpec& spec : specs) row_bytes = std::max(row_bytes, spec.row_bytes());
  const auto block = static_cast<std::int64_t>(std::max(kVerifyBlockBytes / row_bytes, std::size_t{1}));
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min(block, reader.rows())) * row_bytes);
  std::vector<Sha256> hashes(specs.size());
  for (std::int64_t first = 0; first < reader.rows(); first += block) {
    leave_on_signal("verifying a KD cache", "no fault was found so far: run the same command again");
    const std::int64_t count = std::min(block, reader.rows() - first);
    for (std::size_t i = 0; i < specs.size(); ++i) {
      const std::span<std::byte> bytes(buffer.data(), static_cast<std::size_t>(count) * specs[i].row_bytes());
      reader.read(i, first, count, bytes.data());
      hashes[i].update(bytes);
      check_rows(reader, i, first, bytes, CheckLevel::full);
      if (specs[i].content != Content::mask) continue;
      if (info_.all_attended && !all_set(bytes)) {
        throw_data("has masked positions; the index says that there are none",
                   reader.path().string() + ", dataset " + specs[i].name, kMakeAgain);
      }
      count_unsupervised(bytes, places_[number].first + first, unsupervised);
    }
    advanced(count);
  }
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (hashes[i].finish_hex() != reader.stated_digest(i)) {
      throw_data("the content does not have the stated hash",
                 reader.path().string() + ", dataset " + specs[i].name, kShardHint);
    }
  }
}

UnsupervisedRows ShardedCache::verify(const std::function<void(std::int64_t, std::int64_t)>& progress) {
  UnsupervisedRows unsupervised;
  std::int64_t done = 0;
  for (std::size_t number = 0; number < places_.size(); ++number) {
    verify_shard(number, unsupervised, [&](std::int64_t rows) {
      done += rows;
      if (progress) progress(done, info_.sequences);
    });
  }
  return unsupervised;
}

}  // namespace

std::vector<fs::path> cache_files(const fs::path& cache) {
  if (identify_cache(cache) != CacheKind::hdf5_folder) return {cache};
  std::vector<fs::path> files = {cache / kIndexName};
  const CacheIndex index = parse_index(read_text(files.front()), files.front());
  for (const auto* part : {&index.shards, &index.holdout}) {
    for (const ShardEntry& entry : *part) files.push_back(cache / entry.file);
  }
  return files;
}

std::unique_ptr<KdCache> KdCache::open(const fs::path& path, CachePart part) {
  CacheIndex index;
  std::vector<ShardPlace> places;
  switch (identify_cache(path)) {
    case CacheKind::torch_folder:
      throw_data("is a folder of .pt shards", path.string(),
                 "run: anemll_cache import " + path.string() + " DST");
    case CacheKind::hdf5_folder:
      index = parse_index(read_text(path / kIndexName), path / kIndexName);
      for (const ShardEntry& entry : part == CachePart::training ? index.shards : index.holdout) {
        const std::int64_t first = places.empty() ? 0 : places.back().first + places.back().rows;
        places.push_back({path / entry.file, first, entry.rows, entry.sha256});
      }
      break;
    case CacheKind::hdf5_file: {
      const ShardReader reader(path);
      index.shape = reader.shape();
      index.all_attended = reader.all_attended();
      index.shards = {{path.filename().string(), reader.rows(), reader.sha256()}};
      index.meta_json = reader.meta_json();
      index.source_json = reader.source_json();
      if (part == CachePart::training) places = {{path, 0, reader.rows(), reader.sha256()}};
      break;
    }
  }
  if (places.empty()) {
    throw_data("has no hold-out part", path.string(),
               "make the cache with anemll_precompute --holdout 0.01 and more sequences");
  }
  auto cache = std::make_unique<ShardedCache>(index, std::move(places));
  cache->validate();
  return cache;
}

}  // namespace anemll
