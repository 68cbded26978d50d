// KdCache. Owns the open shards (a bounded number of them) and the map from global rows
// to shard rows. Everything but the content of rows is checked once, in open().
#include "anemll/data/kd_cache.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/shell_word.hpp"
#include "src/core/signals.hpp"
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

}  // namespace

struct KdCache::Impl {
  Impl(const CacheIndex& index, std::vector<ShardPlace> shards)
      : specs(datasets_of(index.shape)), bound(index.shape.vocab_size), places(std::move(shards)) {
    static_cast<CacheShape&>(info) = index.shape;
    info.sequences = places.back().first + places.back().rows;
    info.shards = static_cast<std::int64_t>(places.size());
    info.all_attended = index.all_attended;
    info.holdout_sequences = index.holdout_sequences();
    info.meta_json = join_meta(index.meta_json, index.source_json);
    info.fingerprint = index.fingerprint();
  }

  /// A dataset that a read fetches, and where it goes.
  struct Wanted {
    std::size_t dataset = 0;
    std::size_t row_bytes = 0;
    std::span<std::byte> bytes;
  };

  void validate();
  ShardReader& shard(std::size_t number);
  std::size_t place_of(std::int64_t row) const;
  std::vector<Wanted> shape_batch(std::span<const std::int64_t> rows, PayloadSet payloads,
                                  KdBatch& batch) const;
  void read_run(std::size_t number, std::int64_t first, std::int64_t count, std::size_t to,
                const std::vector<Wanted>& wanted);
  void check_rows(const ShardReader& reader, std::size_t dataset, std::int64_t first,
                  std::span<const std::byte> bytes, CheckLevel level) const;
  void verify_shard(std::size_t number, UnsupervisedRows& unsupervised,
                    const std::function<void(std::int64_t)>& advanced);
  void count_unsupervised(std::span<const std::byte> masks, std::int64_t first, UnsupervisedRows& rows) const;

  KdCacheInfo info;
  std::vector<DatasetSpec> specs;  // of every shard
  std::int64_t bound;              // ids must be below; 0 when nobody knows
  std::vector<ShardPlace> places;
  std::list<std::pair<std::size_t, ShardReader>> open;  // most recently used first
};

ShardReader& KdCache::Impl::shard(std::size_t number) {
  const auto found = std::find_if(open.begin(), open.end(), [&](const auto& e) { return e.first == number; });
  if (found != open.end()) {
    open.splice(open.begin(), open, found);
    return open.front().second;
  }
  const ShardPlace& place = places[number];
  ShardReader reader(place.path, info.columns);
  const std::string where = place.path.string();
  if (!(reader.shape() == info)) {
    throw_data("has " + reader.shape().describe() + "; the index says " + info.describe(), where,
               kOtherCacheHint);
  }
  if (reader.rows() != place.rows) {
    throw_data("has " + std::to_string(reader.rows()) + " rows; the index says " + std::to_string(place.rows),
               where, kOtherCacheHint);
  }
  if (reader.sha256() != place.sha256) {
    throw_data("has another hash than the index says", where, kOtherCacheHint);
  }
  if (!reader.all_attended() && info.all_attended) {
    throw_data("has masked positions; the index says that there are none", where, kMakeAgain);
  }
  if (open.size() >= kMaxOpenShards) open.pop_back();
  open.emplace_front(number, std::move(reader));
  return open.front().second;
}

// Opens every shard and looks at its first and last row.
void KdCache::Impl::validate() {
  std::vector<std::byte> buffer;
  bool warned = false;
  for (std::size_t number = 0; number < places.size(); ++number) {
    const ShardReader& reader = shard(number);
    if (reader.chunk_rows() > 1 && !warned) {
      log_warning(reader.path().string() + ": chunks of " + std::to_string(reader.chunk_rows()) +
                  " rows make shuffled reading slow; anemll_cache writes chunks of one row");
      warned = true;
    }
    for (std::size_t i = 0; i < specs.size(); ++i) {
      buffer.resize(specs[i].row_bytes());
      for (const std::int64_t row : {std::int64_t{0}, reader.rows() - 1}) {
        reader.read(i, row, 1, buffer.data());
        check_rows(reader, i, row, buffer, CheckLevel::full);
      }
    }
  }
}

std::size_t KdCache::Impl::place_of(std::int64_t row) const {
  const auto after =
      std::upper_bound(places.begin(), places.end(), row,
                       [](std::int64_t r, const ShardPlace& place) { return r < place.first; });
  return static_cast<std::size_t>(after - places.begin()) - 1;
}

void KdCache::Impl::check_rows(const ShardReader& reader, std::size_t dataset, std::int64_t first,
                               std::span<const std::byte> bytes, CheckLevel level) const {
  const DatasetSpec& spec = specs[dataset];
  if (const auto fault = find_fault(spec, bound, bytes, level)) {
    // An id that the cache's own vocabulary has is no damage.
    if (bound < info.vocab_size && !find_fault(spec, info.vocab_size, bytes, level)) {
      throw_data(
          "row " + std::to_string(first + fault->row) + ", " + fault->text + " of the model; the " +
              "cache was made for " + std::to_string(info.vocab_size) + " ids",
          reader.path().string() + ", dataset " + spec.name,
          "use the cache of this model's teacher (--cache-dir), or a model that has this id (--model-id)");
    }
    throw_row_fault(reader.path(), spec.name, first + fault->row, fault->text);
  }
}

void KdCache::Impl::read_run(std::size_t number, std::int64_t first, std::int64_t count, std::size_t to,
                             const std::vector<Wanted>& wanted) {
  const ShardReader& reader = shard(number);
  for (const Wanted& one : wanted) {
    const std::span<std::byte> bytes =
        one.bytes.subspan(to * one.row_bytes, static_cast<std::size_t>(count) * one.row_bytes);
    reader.read(one.dataset, first, count, bytes.data());
    check_rows(reader, one.dataset, first, bytes, CheckLevel::bounds);
  }
}

std::vector<KdCache::Impl::Wanted> KdCache::Impl::shape_batch(std::span<const std::int64_t> rows,
                                                              PayloadSet payloads, KdBatch& batch) const {
  batch.rows = static_cast<std::int64_t>(rows.size());
  batch.length = info.length;
  batch.positions = info.positions;
  batch.topk = info.topk;
  batch.rand_neg = payloads.has(Payload::negatives) ? info.rand_neg : 0;
  batch.hidden_size = payloads.has(Payload::hidden) ? info.hidden : 0;
  batch.row_ids.assign(rows.begin(), rows.end());
  std::vector<Wanted> wanted;
  std::vector<ColumnArrays::Extent> extents;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const KdColumn& column = *specs[i].column;
    const bool usual = column.presence == Presence::always || column.payload == Payload::topk;
    if (!usual && !payloads.has(column.payload)) continue;
    wanted.push_back({i, specs[i].row_bytes(), {}});
    extents.push_back({column.name, rows.size() * specs[i].row_bytes()});
  }
  batch.reshape(extents);
  for (Wanted& one : wanted) one.bytes = batch.bytes(specs[one.dataset].column->name);
  return wanted;
}

void KdCache::Impl::count_unsupervised(std::span<const std::byte> masks, std::int64_t first,
                                       UnsupervisedRows& rows) const {
  const auto length = static_cast<std::size_t>(info.length);
  for (std::size_t at = 0; at + length <= masks.size(); at += length, ++first) {
    const auto* row = reinterpret_cast<const std::uint8_t*>(masks.data() + at);
    if (has_supervision({row, length}, info.positions)) continue;
    ++rows.count;
    if (rows.first.size() < kToldRows) rows.first.push_back(first);
  }
}

void KdCache::Impl::verify_shard(std::size_t number, UnsupervisedRows& unsupervised,
                                 const std::function<void(std::int64_t)>& advanced) {
  const ShardReader& reader = shard(number);
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
      if (specs[i].column->content != Content::mask) continue;
      if (info.all_attended && !all_set(bytes)) {
        throw_data("has masked positions; the index says that there are none",
                   reader.path().string() + ", dataset " + specs[i].name, kMakeAgain);
      }
      count_unsupervised(bytes, places[number].first + first, unsupervised);
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

KdCache::KdCache(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KdCache::KdCache(KdCache&&) noexcept = default;
KdCache& KdCache::operator=(KdCache&&) noexcept = default;
KdCache::~KdCache() = default;

const KdCacheInfo& KdCache::info() const {
  return impl_->info;
}

void KdCache::require_vocabulary(std::int64_t vocab_size) {
  const std::int64_t own = impl_->info.vocab_size;
  impl_->bound = own == 0 ? vocab_size : std::min(own, vocab_size);
}

void KdCache::read(std::span<const std::int64_t> rows, PayloadSet payloads, KdBatch& batch) {
  const std::vector<Impl::Wanted> wanted = impl_->shape_batch(rows, payloads, batch);
  const std::vector<ShardPlace>& places = impl_->places;
  for (std::size_t i = 0; i < rows.size();) {
    if (rows[i] == -1) {
      for (const Impl::Wanted& one : wanted) {
        std::ranges::fill(one.bytes.subspan(i * one.row_bytes, one.row_bytes),
                          std::byte{impl_->specs[one.dataset].column->fill});
      }
      ++i;
      continue;
    }
    if (rows[i] < 0 || rows[i] >= info().sequences) {
      throw_data(
          "row " + std::to_string(rows[i]) + " asked for, " + std::to_string(info().sequences) + " there",
          places.front().path.parent_path().string(),
          "ask for fewer rows or use a larger cache (--cache-dir)");
    }
    const std::size_t number = impl_->place_of(rows[i]);
    const ShardPlace& place = places[number];
    std::size_t end = i + 1;
    while (end < rows.size() && rows[end] == rows[end - 1] + 1 && rows[end] < place.first + place.rows) ++end;
    impl_->read_run(number, rows[i] - place.first, static_cast<std::int64_t>(end - i), i, wanted);
    i = end;
  }
}

UnsupervisedRows KdCache::verify(const std::function<void(std::int64_t, std::int64_t)>& progress) {
  UnsupervisedRows unsupervised;
  std::int64_t done = 0;
  for (std::size_t number = 0; number < impl_->places.size(); ++number) {
    impl_->verify_shard(number, unsupervised, [&](std::int64_t rows) {
      done += rows;
      if (progress) progress(done, info().sequences);
    });
  }
  return unsupervised;
}

std::vector<fs::path> cache_files(const fs::path& cache) {
  if (identify_cache(cache) != CacheKind::hdf5_folder) return {cache};
  std::vector<fs::path> files = {cache / kIndexName};
  const CacheIndex index = parse_index(read_input_text(files.front()), files.front());
  for (const auto* part : {&index.shards, &index.holdout}) {
    for (const ShardEntry& entry : *part) files.push_back(cache / entry.file);
  }
  return files;
}

KdCache KdCache::open(const fs::path& path, CachePart part, ColumnTable columns) {
  CacheIndex index;
  std::vector<ShardPlace> places;
  switch (identify_cache(path)) {
    case CacheKind::torch_folder:
      throw_data("is a folder of .pt shards", path.string(),
                 "run: anemll_cache import " + shell_word(path.string()) + " DST");
    case CacheKind::hdf5_folder:
      index = parse_index(read_input_text(path / kIndexName), path / kIndexName, columns);
      for (const ShardEntry& entry : part == CachePart::training ? index.shards : index.holdout) {
        const std::int64_t first = places.empty() ? 0 : places.back().first + places.back().rows;
        places.push_back({path / entry.file, first, entry.rows, entry.sha256});
      }
      break;
    case CacheKind::hdf5_file: {
      const ShardReader reader(path, columns);
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
  auto impl = std::make_unique<Impl>(index, std::move(places));
  impl->validate();
  return KdCache(std::move(impl));
}

}  // namespace anemll
