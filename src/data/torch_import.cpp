// .pt folder to HDF5. Two passes: the first opens every shard and settles the shape, so that nothing is
// written for a source that does not fit together; the second copies, checks and hashes block by block.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/data/kd_cache.hpp"
#include "src/core/signals.hpp"
#include "src/data/row_checks.hpp"
#include "src/data/schema.hpp"
#include "src/data/shard_file.hpp"
#include "src/data/staging.hpp"
#include "src/data/torch_shards.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kBlockBytes = std::size_t{4} << 20;

/// Between files and blocks. What was written goes with its staging folder.
void leave_if_asked() {
  leave_on_signal("importing a KD cache", "nothing of it was kept: run the same command again");
}

struct Survey {
  std::vector<fs::path> files;
  std::vector<std::int64_t> rows;
  std::int64_t total_rows = 0;
  std::uint64_t bytes = 0;
  CacheShape shape;
};

Survey survey_source(const fs::path& source, const ImportOptions& options) {
  Survey survey;
  TorchShardFiles files = list_torch_shards(source);
  if (files.shards.empty())
    throw_data("has no shard_*.pt", source.string(),
               "give a folder of the reference's cache (ls shows what is there)");
  if (!files.others.empty()) {
    log_warning(
        source.string() + ": " + files.others.front().filename().string() +
        (files.others.size() > 1 ? " and " + std::to_string(files.others.size() - 1) + " more" : "") +
        " not imported; the reference reads every .pt file of the folder, this program shard_*.pt only");
  }
  survey.files = std::move(files.shards);
  for (const fs::path& path : survey.files) {
    leave_if_asked();
    const TorchShard shard = read_torch_shard(path, options.with_negatives, options.columns);
    if (survey.rows.empty()) survey.shape = shard.shape;
    if (!(shard.shape == survey.shape)) {
      throw_data("has " + shard.shape.describe() + "; " + survey.files.front().filename().string() + " has " +
                     survey.shape.describe(),
                 path.string(),
                 "the shards of one cache must agree; remove what does not belong to it with rm");
    }
    survey.rows.push_back(shard.rows);
    survey.total_rows += shard.rows;
    for (const HostTensor& tensor : shard.tensors) survey.bytes += tensor.bytes();
  }
  return survey;
}

// Copies one .pt shard behind what `writer` already has; true when every position is attended.
bool copy_shard(const TorchShard& shard, const fs::path& path, std::int64_t vocab_size, ShardWriter& writer,
                const std::function<void(std::int64_t)>& advanced) {
  bool all_attended = true;
  std::size_t row_bytes = 1;
  for (const DatasetSpec& spec : writer.specs()) row_bytes = std::max(row_bytes, spec.row_bytes());
  const auto block = static_cast<std::int64_t>(std::max(kBlockBytes / row_bytes, std::size_t{1}));
  for (std::int64_t first = 0; first < shard.rows; first += block) {
    leave_if_asked();
    const std::int64_t count = std::min(block, shard.rows - first);
    for (std::size_t i = 0; i < writer.specs().size(); ++i) {
      const DatasetSpec& spec = writer.specs()[i];
      const std::span<const std::byte> rows(
          shard.tensors[i].data + static_cast<std::size_t>(first) * spec.row_bytes(),
          static_cast<std::size_t>(count) * spec.row_bytes());
      if (const auto fault = find_fault(spec, vocab_size, rows, CheckLevel::full)) {
        throw_data("row " + std::to_string(first + fault->row) + ", " + fault->text,
                   path.string() + ", tensor " + std::string(spec.column->torch_name),
                   "the cache is damaged or its meta.json belongs to another one; make it again, with "
                   "anemll_precompute here");
      }
      if (spec.column->content == Content::mask) all_attended = all_set(rows) && all_attended;
      writer.append(i, rows);
    }
    advanced(count);
  }
  return all_attended;
}

std::string describe_source(const fs::path& source, const Survey& survey) {
  nlohmann::ordered_json json;
  json["format"] = kTorchCacheFormat;
  json["files"] = survey.files.size();
  json["fingerprint"] = fingerprint_torch_folder(source);
  return json.dump();
}

}  // namespace

void import_torch_cache(const fs::path& source, const fs::path& destination, const ImportOptions& options,
                        const ImportProgress& progress) {
  if (options.compress < 0 || options.compress > 9)
    throw_usage("must be 0 to 9, not " + std::to_string(options.compress), "--compress",
                "--compress 1 is the best bargain");
  const bool one_file = destination.extension() == ".h5";
  Staging staging(source, destination, options.overwrite);
  Survey survey = survey_source(source, options);
  const TorchMeta meta = read_torch_meta(source, survey.shape);
  survey.shape.vocab_size = meta.vocab_size;
  if (options.compress == 0) require_space(staging.folder(), survey.bytes);
  const int compress = static_cast<int>(options.compress);

  CacheIndex index;
  index.shape = survey.shape;
  index.meta_json = meta.json;
  index.source_json = describe_source(source, survey);
  std::int64_t done = 0;
  const auto advanced = [&](std::int64_t rows) {
    done += rows;
    if (progress) progress(done, survey.total_rows);
  };
  if (progress) progress(0, survey.total_rows);
  std::optional<ShardWriter> whole;
  if (one_file)
    whole.emplace(staging.folder() / destination.filename(), survey.shape, survey.total_rows, compress);
  for (std::size_t i = 0; i < survey.files.size(); ++i) {
    const TorchShard shard = read_torch_shard(survey.files[i], options.with_negatives, options.columns);
    if (shard.rows != survey.rows[i]) {
      throw_data("changed while it was read", survey.files[i].string(),
                 "wait until the cache is finished, then start anemll_cache import again");
    }
    const std::string name = shard_name(static_cast<std::int64_t>(i), ".h5");
    std::optional<ShardWriter> own;
    if (!one_file) own.emplace(staging.folder() / name, survey.shape, shard.rows, compress);
    const bool attended =
        copy_shard(shard, survey.files[i], meta.vocab_size, one_file ? *whole : *own, advanced);
    index.all_attended = index.all_attended && attended;
    if (own) index.shards.push_back(own->finish(attended, index.meta_json, index.source_json));
  }
  if (whole) {
    whole->finish(index.all_attended, index.meta_json, index.source_json);
    staging.commit_file(staging.folder() / destination.filename());
    return;
  }
  write_file(staging.folder() / kIndexName, write_index(index));
  staging.commit();
}

namespace {

/// Fingerprint of the .pt folder that a whole and sound import was made from; nothing for a cache that was
/// not imported, and, with the reason in the log, for a damaged one.
std::optional<std::string> fingerprint_of_import(const fs::path& imported) {
  try {
    const CacheIndex index = parse_index(read_text(imported / kIndexName), imported / kIndexName);
    const auto source = nlohmann::json::parse(index.source_json, nullptr, false);
    if (!source.is_object() || source.value("format", "") != kTorchCacheFormat) return std::nullopt;
    (void)KdCache::open(imported);
    return source.value("fingerprint", "");
  } catch (const std::exception& error) {
    log_warning(error.what());
    return std::nullopt;
  }
}

}  // namespace

// Who made a cache that lies there cannot be known: people import and precompute into such folders
// themselves. So none is replaced, and an import of something else gets a name of its own.
fs::path ensure_hdf5_cache(const fs::path& path, const fs::path& work_dir, const ImportProgress& progress) {
  if (identify_cache(path) != CacheKind::torch_folder) return path;
  const std::string fingerprint = fingerprint_torch_folder(path);
  fs::path imported = work_dir / "kd_cache";
  for (int number = 2; has_name(imported); ++number) {
    if (fingerprint_of_import(imported) == fingerprint) {
      log_info("KD cache: using the import of " + path.string() + " in " + imported.string());
      return imported;
    }
    log_warning("KD cache: " + imported.string() + " is not a whole import of what " + path.string() +
                " holds now; it stays as it is");
    imported = work_dir / ("kd_cache-" + std::to_string(number));
  }
  log_info("KD cache: importing " + path.string() + " into " + imported.string());
  import_torch_cache(path, imported, {}, progress);
  return imported;
}

}  // namespace anemll
