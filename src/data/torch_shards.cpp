// See torch_shards.hpp.
#include "src/data/torch_shards.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/hash.hpp"
#include "src/core/printable.hpp"
#include "src/core/system_error.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kSampleBytes = std::size_t{64} << 10;
constexpr std::size_t kSamples = 16;
constexpr std::size_t kShown = 60;  // bytes of a value in a message

HostTensor take(const TensorMap& tensors, const KdColumn& column, const fs::path& path) {
  const std::string name(column.torch_name);
  const std::size_t row_rank = column.row_rank();
  const std::string where = path.string() + ", tensor " + name;
  const HostTensor* found = tensors.find(name);
  if (found == nullptr)
    throw_data("the tensor is missing", where,
               "the file is not a shard of a KD cache: take it out of the folder with mv");
  HostTensor tensor = found->packed();
  if (tensor.shape.size() == row_rank) {  // one example, without a row dimension
    tensor.shape.insert(tensor.shape.begin(), 1);
    tensor.strides = contiguous_strides(tensor.shape);
  }
  if (tensor.shape.size() != row_rank + 1) {
    throw_data("is " + tensor.describe() + ", expected " + std::to_string(row_rank + 1) + " dimensions",
               where, "the file is not a shard of a KD cache: take it out of the folder with mv");
  }
  return tensor;
}

// An absent or null key counts as not said; anything but an integer is an error.
std::int64_t said(const Json& meta, const char* key, const std::string& where) {
  const auto found = meta.find(key);
  if (found == meta.end() || found->is_null()) return 0;
  if (!found->is_number_integer()) {
    throw_data(std::string("key \"") + key + "\" must be an integer, not " + printable(found->dump(), kShown),
               where, "repair or remove the key, or rm meta.json to import without provenance");
  }
  return found->get<std::int64_t>();
}

void hold_against(const Json& meta, const char* key, std::int64_t actual, const std::string& where) {
  const std::int64_t value = said(meta, key, where);
  if (value != 0 && value != actual) {
    throw_data(std::string("says ") + key + " = " + std::to_string(value) + ", but the shards have " +
                   std::to_string(actual),
               where,
               "shards and meta.json belong to different caches: rm meta.json imports without provenance");
  }
}

}  // namespace

TorchShardFiles list_torch_shards(const fs::path& folder) {
  TorchShardFiles files;
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  if (error) throw_system("cannot list the folder", folder, error);
  for (const fs::directory_entry& entry : entries) {
    if (entry.path().extension() != ".pt" || !entry.is_regular_file(error)) continue;
    const bool shard = entry.path().filename().string().starts_with("shard_");
    (shard ? files.shards : files.others).push_back(entry.path());
  }
  std::sort(files.shards.begin(), files.shards.end());
  std::sort(files.others.begin(), files.others.end());
  return files;
}

TorchShard read_torch_shard(const fs::path& path, bool with_negatives, ColumnTable columns) {
  const TensorMap tensors = flatten_tensors(read_torch_file(path), path);
  TorchShard shard;
  shard.shape.columns = columns;
  const auto contains = [&](const KdColumn& column) {
    return !column.torch_name.empty() && (with_negatives || column.payload != Payload::negatives) &&
           tensors.contains(column.torch_name);
  };
  for (const std::string_view key : {std::string_view(kd::topk_idx), std::string_view(kd::topk_logits)}) {
    if (const KdColumn* column = columns.find(key))
      take(tensors, *column, path);  // the reference's have both
  }
  shard.rows = read_sizes(shard.shape, contains,
                          [&](const KdColumn& column) { return take(tensors, column, path).shape; });
  if (shard.rows < 1 || shard.shape.length < 2 || shard.shape.positions < 1 || shard.shape.topk < 1) {
    throw_data("holds no samples", path.string(),
               "remove the file with rm or make the cache again with anemll_precompute");
  }
  if (shard.shape.positions >= shard.shape.length) {
    const HostTensor topk = take(tensors, *columns.find(kd::topk_idx), path);
    throw_data("is " + topk.describe() + " for " + std::to_string(shard.shape.length) + " tokens; at most " +
                   std::to_string(shard.shape.length - 1) + " positions are supervised",
               path.string() + ", tensor topk_idx",
               "position s predicts token s + 1: make the cache again with anemll_precompute");
  }
  for (const DatasetSpec& spec : datasets_of(shard.shape)) {
    HostTensor tensor = take(tensors, *spec.column, path);
    if (tensor.dtype != spec.dtype() || tensor.shape != spec.extent(shard.rows)) {
      throw_data("is " + tensor.describe() + ", expected " + spec.describe(shard.rows),
                 path.string() + ", tensor " + std::string(spec.column->torch_name),
                 "convert it with python3 to what the reference's cache script writes");
    }
    shard.tensors.push_back(std::move(tensor));
  }
  return shard;
}

TorchMeta read_torch_meta(const fs::path& folder, const CacheShape& shape) {
  const fs::path path = folder / "meta.json";
  const std::string where = path.string();
  if (!fs::exists(path)) {
    log_warning(where + ": missing; the cache will not know its vocabulary and origin");
    return {};
  }
  const Json meta = Json::parse(read_input_text(path), nullptr, false);
  if (meta.is_discarded() || !meta.is_object()) {
    throw_data("is not a JSON object", where, "repair the file, or rm it to import without provenance");
  }
  if (const auto format = meta.find("format"); format != meta.end() && *format != kTorchCacheFormat) {
    throw_data("the format is " + printable(format->dump(), kShown) + ", not \"" +
                   std::string(kTorchCacheFormat) + "\"",
               where, "only this format can be imported; anemll_precompute makes a cache of this program");
  }
  hold_against(meta, "max_length", shape.length, where);
  hold_against(meta, "topk", shape.topk, where);
  if (shape.rand_neg > 0) hold_against(meta, "rand_neg", shape.rand_neg, where);
  TorchMeta result;
  result.json = meta.dump();
  result.vocab_size = said(meta, "vocab_size", where);
  if (result.vocab_size < 0 || result.vocab_size > (std::int64_t{1} << 31)) {
    throw_data("key \"vocab_size\" is out of range: " + std::to_string(result.vocab_size), where,
               "repair or remove the key, or rm meta.json to import without provenance");
  }
  return result;
}

std::string fingerprint_torch_folder(const fs::path& folder) {
  Sha256 sha;
  std::vector<fs::path> files = list_torch_shards(folder).shards;
  if (fs::exists(folder / "meta.json")) files.push_back(folder / "meta.json");
  for (const fs::path& path : files) {
    const auto file = MappedFile::open(path);
    const std::span<const std::byte> bytes = file->bytes();
    sha.update(path.filename().string() + ' ' + std::to_string(bytes.size()) + '\n');
    if (bytes.size() <= kSamples * kSampleBytes) {
      sha.update(bytes);
      continue;
    }
    // Evenly spaced, the last one at the end, where a zip lists the CRC-32 of every tensor.
    const std::size_t last = bytes.size() - kSampleBytes;
    for (std::size_t i = 0; i < kSamples; ++i) {
      sha.update(bytes.subspan(last / (kSamples - 1) * i + (i + 1 == kSamples ? last % (kSamples - 1) : 0),
                               kSampleBytes));
    }
  }
  return sha.finish_hex();
}

}  // namespace anemll
