// See schema.hpp.
#include "src/data/schema.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/hash.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using Json = nlohmann::ordered_json;  // keeps the key order of the files it came from

// No dimension of a real cache comes near this; products of a few of them stay inside 64 bits.
constexpr std::int64_t kMaxSize = std::int64_t{1} << 31;
constexpr std::int64_t kMaxRows = std::int64_t{1} << 40;

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
                   std::to_string(max),
               where, kIndexHint);
  }
  return value.get<std::int64_t>();
}

std::string text(const Json& object, const char* key, const std::string& where) {
  const Json& value = member(object, key, where);
  if (!value.is_string()) {
    throw_data(std::string("key \"") + key + "\" must be a text", where, kIndexHint);
  }
  return value.get<std::string>();
}

void check_file_name(const std::string& name, const std::string& where) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
      name.find('\\') != std::string::npos || name.find('\0') != std::string::npos) {
    throw_data("shard \"" + name + "\" is not a plain file name", where,
               "shards lie in the folder of their index");
  }
}

void read_payloads(const Json& root, CacheShape& shape, const std::string& where) {
  const auto payloads = root.find("payloads");
  if (payloads == root.end()) return;
  if (!payloads->is_object())
    throw_data("key \"payloads\" must be an object", where, "see src/data/README.md");
  shape.lse_t1 = payloads->contains("lse_t1");
  if (const auto lse = payloads->find("lse_train"); lse != payloads->end()) {
    const Json& temperature = member(*lse, "temperature", where);
    if (!temperature.is_number() || !(temperature.get<double>() > 0)) {
      throw_data("the temperature of \"lse_train\" must be a positive number", where,
                 "see src/data/README.md");
    }
    shape.lse_train = true;
    shape.lse_train_temperature = temperature.get<double>();
  }
  if (const auto hidden = payloads->find("hidden"); hidden != payloads->end()) {
    shape.hidden = integer(*hidden, "size", 1, kMaxSize, where);
    shape.head_sha256 = text(*hidden, "head_sha256", where);
  }
}

std::vector<ShardEntry> read_entries(const Json& root, const char* key, const std::string& where) {
  const Json& list = member(root, key, where);
  if (!list.is_array() || list.empty()) {
    throw_data("key \"" + std::string(key) + "\" must be a list of at least one shard", where, kMakeAgain);
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
  if (shape.lse_t1) payloads["lse_t1"] = Json::object();
  if (shape.lse_train) payloads["lse_train"] = {{"temperature", shape.lse_train_temperature}};
  if (shape.hidden > 0) payloads["hidden"] = {{"size", shape.hidden}, {"head_sha256", shape.head_sha256}};
  return payloads;
}

}  // namespace

std::string CacheShape::describe() const {
  std::string result = "L " + std::to_string(length) + ", S " + std::to_string(positions) + ", K " +
                       std::to_string(topk) + ", R " + std::to_string(rand_neg) + ", vocabulary " +
                       std::to_string(vocab_size);
  if (lse_t1) result += ", lse_t1";
  if (lse_train) result += ", lse_train at T " + std::to_string(lse_train_temperature);
  if (hidden > 0) result += ", hidden " + std::to_string(hidden) + " of head " + head_sha256.substr(0, 12);
  return result;
}

std::int64_t DatasetSpec::row_elements() const {
  std::int64_t product = 1;
  for (const std::int64_t size : row_shape) product *= size;
  return product;
}

std::vector<DatasetSpec> datasets_of(const CacheShape& shape) {
  using h5::Type;
  const std::int64_t l = shape.length, s = shape.positions, k = shape.topk, r = shape.rand_neg,
                     h = shape.hidden;
  std::vector<DatasetSpec> specs = {
      {"input_ids", Type::i32, {l}, Content::token_ids},
      {"attention_mask", Type::u8, {l}, Content::mask},
      {"topk_idx", Type::i32, {s, k}, Content::token_ids},
      {"topk_logits", Type::f16, {s, k}, Content::descending_logits},
  };
  if (r > 0) {
    specs.push_back({"rand_idx", Type::i32, {s, r}, Content::token_ids});
    specs.push_back({"rand_logits", Type::f16, {s, r}, Content::numbers});
  }
  if (shape.lse_t1) specs.push_back({"lse_t1", Type::f32, {s}, Content::numbers});
  if (shape.lse_train) specs.push_back({"lse_train", Type::f32, {s}, Content::numbers});
  if (h > 0) specs.push_back({"hidden", Type::f16, {s, h}, Content::numbers});
  return specs;
}

std::string shard_digest(const std::vector<DatasetSpec>& specs, std::int64_t rows,
                         const std::vector<std::string>& digests) {
  std::string lines;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    lines += specs[i].name + ' ' + std::string(h5::name_of(specs[i].type)) + ' ' + std::to_string(rows);
    for (const std::int64_t size : specs[i].row_shape) lines += ' ' + std::to_string(size);
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

CacheIndex parse_index(std::string_view content, const std::filesystem::path& path) {
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
  shape.length = integer(root, "length", 1, kMaxSize, where);
  shape.positions = integer(root, "positions", 1, kMaxSize, where);
  shape.topk = integer(root, "topk", 1, kMaxSize, where);
  shape.rand_neg = integer(root, "rand_neg", 0, kMaxSize, where);
  shape.vocab_size = integer(root, "vocab_size", 0, kMaxSize, where);
  if (!member(root, "all_attended", where).is_boolean()) {
    throw_data("key \"all_attended\" must be true or false", where, kIndexHint);
  }
  index.all_attended = root["all_attended"].get<bool>();
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
    throw_data("the fingerprint is not that of the listed shards", where, kIndexHint);
  }
  return index;
}

std::string shard_name(std::int64_t number, std::string_view extension, std::string_view stem) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "_%05lld", static_cast<long long>(number));
  return std::string(stem) + digits + std::string(extension);
}

}  // namespace anemll
