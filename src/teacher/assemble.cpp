#include "src/teacher/internal/assemble.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/put_in_place.hpp"
#include "src/data/shard_file.hpp"

#include <optional>
#include <set>
#include <string>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

std::string source_json(const Plan& plan) {
  return nlohmann::ordered_json({{"format", "anemll_precompute"}, {"fingerprint", plan.id()}}).dump();
}

void append_payload(ShardWriter& writer, const Plan& plan, const Unit& unit, const TeacherPayload& payload,
                    std::span<const std::int32_t> tokens) {
  const auto length = static_cast<std::size_t>(plan.shape.length);
  const auto ids = tokens.subspan(static_cast<std::size_t>(unit.first) * length,
                                  static_cast<std::size_t>(unit.rows) * length);
  const std::vector<std::uint8_t> mask(ids.size(), 1);
  for (std::size_t i = 0; i < writer.specs().size(); ++i) {
    const KdColumn& column = *writer.specs()[i].column;
    if (column.payload != Payload::tokens) {
      writer.append(i, payload.bytes(column.name));
    } else if (column.content == Content::mask) {
      writer.append(i, std::as_bytes(std::span(mask)));
    } else {
      writer.append(i, std::as_bytes(ids));
    }
  }
}

}  // namespace

std::vector<Unit> assemble_shard(const Plan& plan, const ShardPlan& shard, const UnitStore& store,
                                 std::span<const std::int32_t> tokens, const fs::path& cache) {
  std::uint64_t bytes = 0;
  for (const DatasetSpec& spec : datasets_of(plan.shape)) bytes += spec.row_bytes();
  require_space(cache, bytes * static_cast<std::uint64_t>(shard.rows));
  // The temporary name is removed with the work folder when the process dies here.
  fs::path temporary = cache / shard.file;
  temporary += ".tmp";
  std::vector<Unit> damaged;
  {
    ShardWriter writer(temporary, plan.shape, shard.rows, 0);
    for (const Unit& unit : shard.units) {
      const std::optional<TeacherPayload> payload = store.read(unit);
      if (!payload) damaged.push_back(unit);
      if (damaged.empty()) append_payload(writer, plan, unit, *payload, tokens);
    }
    if (damaged.empty()) writer.finish(true, plan.meta_json, source_json(plan));
  }
  if (!damaged.empty()) {
    fs::remove(temporary);
    return damaged;
  }
  put_in_place(temporary, cache / shard.file);
  sync_directory(cache);
  for (const Unit& unit : shard.units) store.remove(unit);
  return {};
}

bool shard_is_made(const Plan& plan, const ShardPlan& shard, const fs::path& cache) {
  const fs::path path = cache / shard.file;
  if (!fs::exists(path)) return false;
  try {
    const ShardReader reader(path, plan.shape.columns);
    if (reader.shape() != plan.shape || reader.rows() != shard.rows ||
        reader.source_json() != source_json(plan))
      return false;
    KdCache::open(path, CachePart::training, plan.shape.columns).verify(nullptr);
    return true;
  } catch (const Error& e) {
    log_warning(path.string() + ": made again: " + e.what());
    return false;
  }
}

void remove_unplanned(const Plan& plan, const fs::path& cache) {
  std::set<std::string> planned;
  for (const ShardPlan& shard : plan.shards()) planned.insert(shard.file);
  for (const fs::directory_entry& entry : fs::directory_iterator(cache)) {
    if (planned.count(entry.path().filename().string()) == 0) fs::remove_all(entry.path());
  }
}

void write_cache_index(const Plan& plan, const fs::path& cache) {
  CacheIndex index;
  index.shape = plan.shape;
  index.meta_json = plan.meta_json;
  index.source_json = source_json(plan);
  for (const ShardPlan& shard : plan.shards()) {
    const ShardReader reader(cache / shard.file, plan.shape.columns);
    auto& list = shard.part == CachePart::training ? index.shards : index.holdout;
    list.push_back({shard.file, reader.rows(), reader.sha256()});
  }
  write_file(cache / kIndexName, write_index(index));
}

}  // namespace anemll
