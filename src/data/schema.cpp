// See schema.hpp.
#include "src/data/schema.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/tensor.hpp"
#include "src/core/hash.hpp"
#include "src/core/printable.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <variant>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using Json = nlohmann::ordered_json;  // keeps the key order of the files it came from

// No dimension of a real cache comes near this; products of a few of them stay inside 64 bits.
constexpr std::int64_t kMaxSize = std::int64_t{1} << 31;
constexpr std::int64_t kMaxRows = std::int64_t{1} << 40;

/// What a key holds, for a message.
std::string shown(const Json& value) {
  constexpr std::size_t kShown = 60;
  return ", not " + printable(value.dump(), kShown);
}

const Json& member(const Json& object, const char* key, const std::string& where) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end()) {
    throw_data(std::string("key \"") + key + "\" is missing", where, kIndexHint);
  }
  return *found;
}

std::int64_t integer(const Json& object, const char* key, std::int64_t min, std::int64_t max,
                     const std::string& where) {
  const Json& value = member(object, key, where);
  // Unsigned values beyond the signed range would wrap in get<int64_t>.
  const bool fits =
      value.is_number_integer() &&
      (!value.is_number_unsigned() ||
       value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
  if (!fits || value.get<std::int64_t>() < min || value.get<std::int64_t>() > max) {
    throw_data(std::string("key \"") + key + "\" must be an integer from " + std::to_string(min) + " to " +
                   std::to_string(max) + shown(value),
               where, kIndexHint);
  }
  return value.get<std::int64_t>();
}

std::string text(const Json& object, const char* key, const std::string& where) {
  const Json& value = member(object, key, where);
  if (!value.is_string()) {
    throw_data(std::string("key \"") + key + "\" must be a text" + shown(value), where, kIndexHint);
  }
  return value.get<std::string>();
}

void check_file_name(const std::string& name, const std::string& where) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
      name.find('\\') != std::string::npos || name.find('\0') != std::string::npos) {
    throw_data(
        "shard \"" + printable(name) + "\" is not a plain file name", where,
        "shards lie in the folder of their index: move them there with mv, or make the cache again with "
        "anemll_cache import");
  }
}

void read_attribute(const Json& payload, const KdColumn& column, CacheShape& shape,
                    const std::string& where) {
  const std::string key(column.attribute.name);
  if (const auto* number = std::get_if<double CacheShape::*>(&column.attribute.value)) {
    const Json& value = member(payload, key.c_str(), where);
    if (!value.is_number() || !(value.get<double>() > 0)) {
      throw_data(
          "the " + key + " of \"" + std::string(column.name) + "\" must be a positive number" + shown(value),
          where, kMakeAgain);
    }
    shape.** number = value.get<double>();
  }
  if (const auto* said = std::get_if<std::string CacheShape::*>(&column.attribute.value))
    shape.** said = text(payload, key.c_str(), where);
}

void read_payloads(const Json& root, CacheShape& shape, const std::string& where) {
  const auto payloads = root.find("payloads");
  if (payloads == root.end()) return;
  if (!payloads->is_object())
    throw_data("key \"payloads\" must be an object" + shown(*payloads), where, kMakeAgain);
  for (const KdColumn& column : shape.columns) {
    const auto found = payloads->find(std::string(column.name));
    if (!column.in_index() || found == payloads->end()) continue;
    if (column.presence == Presence::listed) shape.listed.insert(column.name);
    if (column.presence == Presence::sized)
      shape.*column.sizes[1] = integer(*found, "size", 1, kMaxSize, where);
    read_attribute(*found, column, shape, where);
  }
}

std::vector<ShardEntry> read_entries(const Json& root, const char* key, const std::string& where) {
  const Json& list = member(root, key, where);
  if (!list.is_array() || list.empty()) {
    throw_data("key \"" + std::string(key) + "\" must be a list of at least one shard" + shown(list), where,
               kMakeAgain);
  }
  std::vector<ShardEntry> entries;
  for (const Json& shard : list) {
    ShardEntry entry{text(shard, "file", where), integer(shard, "rows", 1, kMaxRows, where),
                     text(shard, "sha256", where)};
    check_file_name(entry.file, where);
    entries.push_back(std::move(entry));
  }
  return entries;
}

Json entries_json(const std::vector<ShardEntry>& entries) {
  Json list = Json::array();
  for (const ShardEntry& shard : entries) {
    list.push_back({{"file", shard.file}, {"rows", shard.rows}, {"sha256", shard.sha256}});
  }
  return list;
}

std::int64_t total_rows(const std::vector<ShardEntry>& entries) {
  std::int64_t total = 0;
  for (const ShardEntry& shard : entries) total += shard.rows;
  return total;
}

Json payloads_json(const CacheShape& shape) {
  Json payloads = Json::object();
  for (const KdColumn& column : shape.columns) {
    if (!column.in_index() || !shape.has(column)) continue;
    Json& payload = payloads[std::string(column.name)] = Json::object();
    const std::string key(column.attribute.name);
    if (column.presence == Presence::sized) payload["size"] = shape.*column.sizes[1];
    if (const auto* number = std::get_if<double CacheShape::*>(&column.attribute.value))
      payload[key] = shape.**number;
    if (const auto* said = std::get_if<std::string CacheShape::*>(&column.attribute.value))
      payload[key] = shape.**said;
  }
  return payloads;
}

bool has_size(const KdColumn& column, std::int64_t CacheShape::*size) {
  return std::find(column.sizes.begin(), column.sizes.end(), size) != column.sizes.end();
}

}  // namespace

std::int64_t DatasetSpec::row_elements() const {
  std::int64_t product = 1;
  for (const std::int64_t size : row_shape) product *= size;
  return product;
}

std::vector<std::int64_t> DatasetSpec::extent(std::int64_t rows) const {
  std::vector<std::int64_t> all = {rows};
  all.insert(all.end(), row_shape.begin(), row_shape.end());
  return all;
}

std::string DatasetSpec::describe(std::int64_t rows) const {
  HostTensor tensor;
  tensor.dtype = dtype();
  tensor.shape = extent(rows);
  return tensor.describe();
}

std::vector<DatasetSpec> datasets_of(const CacheShape& shape) {
  std::vector<DatasetSpec> specs;
  for (const KdColumn& column : shape.columns) {
    if (!shape.has(column)) continue;
    DatasetSpec& spec = specs.emplace_back(DatasetSpec{std::string(column.name), &column, {}});
    for (const auto size : column.sizes) {
      if (size != nullptr) spec.row_shape.push_back(shape.*size);
    }
  }
  return specs;
}

std::int64_t read_sizes(CacheShape& shape, const std::function<bool(const KdColumn&)>& contains,
                        const std::function<std::vector<std::int64_t>(const KdColumn&)>& extent) {
  // Of columns that have their sizes in common none may be missing when one is there.
  const auto there = [&](const KdColumn& column) {
    return column.presence == Presence::always ||
           std::any_of(shape.columns.begin(), shape.columns.end(), [&](const KdColumn& other) {
             return other.presence == column.presence && other.sizes == column.sizes && contains(other);
           });
  };
  // The first column that is there and has a size defines it.
  const auto defines = [&](const KdColumn& column, std::int64_t CacheShape::*size) {
    return std::find_if(shape.columns.begin(), shape.columns.end(), [&](const KdColumn& other) {
             return has_size(other, size) && there(other);
           }) == &column;
  };
  std::int64_t rows = 0;
  for (const KdColumn& column : shape.columns) {
    if (column.presence == Presence::listed && contains(column)) shape.listed.insert(column.name);
    if (!there(column)) continue;
    for (std::size_t i = 0; i < column.sizes.size(); ++i) {
      if (column.sizes[i] == nullptr || !defines(column, column.sizes[i])) continue;
      const std::vector<std::int64_t> found = extent(column);
      rows = &column == shape.columns.begin() ? found[0] : rows;
      shape.*column.sizes[i] = found[i + 1];
    }
  }
  // Tokens alone: each but the last has one behind it.
  if (shape.positions == 0 && shape.topk == 0) shape.positions = shape.length - 1;
  return rows;
}

std::string shard_digest(const std::vector<DatasetSpec>& specs, std::int64_t rows,
                         const std::vector<std::string>& digests) {
  std::string lines;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    lines += specs[i].name + ' ' + std::string(name_of(specs[i].dtype()));
    for (const std::int64_t size : specs[i].extent(rows)) lines += ' ' + std::to_string(size);
    lines += ' ' + digests[i] + '\n';
  }
  return sha256_hex(lines);
}

std::int64_t CacheIndex::sequences() const {
  return total_rows(shards);
}

std::int64_t CacheIndex::holdout_sequences() const {
  return total_rows(holdout);
}

std::string CacheIndex::fingerprint() const {
  std::string lines = std::string(kCacheFormat) + ' ' + std::to_string(shape.vocab_size) + '\n';
  for (const ShardEntry& shard : shards) lines += std::to_string(shard.rows) + ' ' + shard.sha256 + '\n';
  return sha256_hex(lines);
}

std::string write_index(const CacheIndex& index) {
  Json root;
  root["format"] = kCacheFormat;
  root["version"] = kCacheVersion;
  root["sequences"] = index.sequences();
  root["length"] = index.shape.length;
  root["positions"] = index.shape.positions;
  root["topk"] = index.shape.topk;
  root["rand_neg"] = index.shape.rand_neg;
  root["vocab_size"] = index.shape.vocab_size;
  root["all_attended"] = index.all_attended;
  root["payloads"] = payloads_json(index.shape);
  root["fingerprint"] = index.fingerprint();
  root["meta"] = Json::parse(index.meta_json);
  root["source"] = Json::parse(index.source_json);
  root["shards"] = entries_json(index.shards);
  if (!index.holdout.empty()) root["holdout"] = entries_json(index.holdout);
  return root.dump(1) + '\n';
}

CacheIndex parse_index(std::string_view content, const std::filesystem::path& path, ColumnTable columns) {
  const std::string where = path.string();
  const Json root = Json::parse(content, nullptr, false);
  if (root.is_discarded() || !root.is_object()) {
    throw_data("is not valid JSON", where, kIndexHint);
  }
  if (text(root, "format", where) != kCacheFormat) {
    throw_data(
        "the format is \"" + text(root, "format", where) + "\", not \"" + std::string(kCacheFormat) + "\"",
        where, "give a folder made by anemll_precompute or anemll_cache import");
  }
  if (const std::int64_t version = integer(root, "version", 1, kMaxSize, where); version != kCacheVersion) {
    throw_data("version " + std::to_string(version) + " is newer than this program's " +
                   std::to_string(kCacheVersion),
               where, std::string("use a newer anemll_train, or ") + kMakeAgain);
  }
  CacheIndex index;
  CacheShape& shape = index.shape;
  shape.columns = columns;
  shape.length = integer(root, "length", 1, kMaxSize, where);
  shape.positions = integer(root, "positions", 1, kMaxSize, where);
  shape.topk = integer(root, "topk", 0, kMaxSize, where);
  shape.rand_neg = integer(root, "rand_neg", 0, kMaxSize, where);
  shape.vocab_size = integer(root, "vocab_size", 0, kMaxSize, where);
  const Json& attended = member(root, "all_attended", where);
  if (!attended.is_boolean())
    throw_data("key \"all_attended\" must be true or false" + shown(attended), where, kIndexHint);
  index.all_attended = attended.get<bool>();
  read_payloads(root, shape, where);
  if (root.contains("meta")) index.meta_json = root["meta"].dump();
  if (root.contains("source")) index.source_json = root["source"].dump();
  index.shards = read_entries(root, "shards", where);
  if (root.contains("holdout")) index.holdout = read_entries(root, "holdout", where);
  if (const std::int64_t n = integer(root, "sequences", 1, kMaxRows, where); n != index.sequences()) {
    throw_data(
        "says " + std::to_string(n) + " sequences, but its shards have " + std::to_string(index.sequences()),
        where, kIndexHint);
  }
  if (const std::string said = text(root, "fingerprint", where); said != index.fingerprint()) {
    throw_data("the fingerprint is not that of the listed shards, but \"" + printable(said) + "\"", where,
               kIndexHint);
  }
  return index;
}

std::string shard_name(std::int64_t number, std::string_view extension, std::string_view stem) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "_%05lld", static_cast<long long>(number));
  return std::string(stem) + digits + std::string(extension);
}

}  // namespace anemll
