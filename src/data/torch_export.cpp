// HDF5 to a folder that the reference reads: shard_*.pt with its dtypes, meta.json, progress.json.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/data/kd_cache.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/signals.hpp"
#include "src/data/schema.hpp"
#include "src/data/shard_file.hpp"
#include "src/data/staging.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

struct Source {
  CacheIndex index;
  std::vector<fs::path> paths;
};

Source read_source(const fs::path& path, ColumnTable columns) {
  Source source;
  switch (identify_cache(path)) {
    case CacheKind::torch_folder:
      throw_usage("is a folder of .pt shards already", path.string(),
                  "give an HDF5 cache, which anemll_cache import makes of it");
    case CacheKind::hdf5_folder:
      source.index = parse_index(read_input_text(path / kIndexName), path / kIndexName, columns);
      for (const ShardEntry& entry : source.index.shards) source.paths.push_back(path / entry.file);
      break;
    case CacheKind::hdf5_file: {
      const ShardReader reader(path, columns);
      source.index.shape = reader.shape();
      source.index.meta_json = reader.meta_json();
      source.index.shards = {{path.filename().string(), reader.rows(), reader.sha256()}};
      source.paths = {path};
      break;
    }
  }
  (void)KdCache::open(path, CachePart::training,
                      columns);  // the checks of a reader, before anything is written
  return source;
}

// The reference's keys: what is missing is filled in from the data, what the data contradicts is corrected.
std::string make_meta(const CacheIndex& index) {
  Json meta = Json::parse(index.meta_json);
  if (!meta.is_object()) meta = Json::object();
  const auto fill = [&](const char* key, const Json& value) {
    if (!meta.contains(key) || meta[key].is_null()) meta[key] = value;
  };
  const CacheShape& shape = index.shape;
  meta["format"] = kTorchCacheFormat;
  for (const char* key : {"teacher_model", "tokenizer", "dataset_name", "dataset_config_name",
                          "dataset_split", "dataset_format", "dataset_text_field", "chat_thinking"}) {
    fill(key, nullptr);
  }
  meta["max_length"] = shape.length;
  meta["topk"] = shape.topk;
  meta["top_k"] = shape.topk;
  meta["rand_neg"] = shape.rand_neg;
  meta["random_negatives"] = shape.rand_neg;
  fill("num_sequences", index.sequences());
  fill("total_sequences", index.sequences());
  if (shape.vocab_size > 0) meta["vocab_size"] = shape.vocab_size;
  return meta.dump(2, ' ', true);
}

std::string make_progress(const CacheIndex& index) {
  Json progress;
  progress["n_written"] = index.sequences();
  progress["next_shard_id"] = index.shards.size();
  progress["done"] = true;
  return progress.dump(2);
}

// The tensors of one shard, each read and checked against its hash when the writer asks for it.
std::vector<LazyTensor> lazy_shard(const std::shared_ptr<ShardReader>& reader) {
  std::vector<LazyTensor> tensors;
  for (std::size_t i = 0; i < reader->specs().size(); ++i) {
    const DatasetSpec& spec = reader->specs()[i];
    if (spec.column->torch_name.empty()) continue;
    LazyTensor tensor;
    tensor.name = spec.column->torch_name;
    tensor.dtype = spec.dtype();
    tensor.shape = spec.extent(reader->rows());
    tensor.make = [reader, i, dtype = tensor.dtype, shape = tensor.shape] {
      leave_on_signal("exporting a KD cache", "nothing of it was kept: run the same command again");
      HostTensor values = HostTensor::zeros(dtype, shape);
      reader->read(i, 0, reader->rows(), values.mutable_bytes());
      Sha256 sha;
      sha.update(std::span(values.data, values.bytes()));
      if (sha.finish_hex() != reader->stated_digest(i)) {
        throw_data("the content does not have the stated hash",
                   reader->path().string() + ", dataset " + reader->specs()[i].name, kShardHint);
      }
      return values;
    };
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

void warn_of_losses(const fs::path& source, const CacheIndex& index) {
  std::string lost;
  const auto add = [&](bool there, const std::string& what) {
    if (there) lost += (lost.empty() ? "" : ", ") + what;
  };
  PayloadSet left;
  for (const DatasetSpec& spec : datasets_of(index.shape)) {
    if (spec.column->torch_name.empty()) left.add(spec.column->payload);
  }
  for (const PayloadRow& row : kd_payloads()) add(left.has(row.payload), std::string(row.words));
  const std::int64_t held = index.holdout_sequences();
  add(held > 0, std::to_string(held) + " hold-out sequences");
  if (!lost.empty()) log_warning(source.string() + ": left out, the .pt format has no place for it: " + lost);
}

}  // namespace

void export_torch_cache(const fs::path& source, const fs::path& destination, bool overwrite,
                        const ImportProgress& progress, ColumnTable columns) {
  const Source from = read_source(source, columns);
  if (from.index.shape.topk == 0)
    throw_usage("has tokens alone, and the reference's shards hold top-k logits", source.string(),
                "make a cache with anemll_precompute --payload topk");
  warn_of_losses(source, from.index);
  std::uint64_t row_bytes = 0;
  for (const DatasetSpec& spec : datasets_of(from.index.shape)) {
    if (!spec.column->torch_name.empty()) row_bytes += spec.row_bytes();
  }

  Staging staging(source, destination, overwrite);
  const std::int64_t total = from.index.sequences();
  require_space(staging.folder(), row_bytes * static_cast<std::uint64_t>(total));
  std::int64_t done = 0;
  if (progress) progress(0, total);
  for (std::size_t i = 0; i < from.paths.size(); ++i) {
    const auto reader = std::make_shared<ShardReader>(from.paths[i], columns);
    const std::string name = shard_name(static_cast<std::int64_t>(i), ".pt");
    write_torch_file(staging.folder() / name, lazy_shard(reader));
    done += reader->rows();
    if (progress) progress(done, total);
  }
  write_file(staging.folder() / "meta.json", make_meta(from.index));
  write_file(staging.folder() / "progress.json", make_progress(from.index));
  staging.commit();
}

}  // namespace anemll
