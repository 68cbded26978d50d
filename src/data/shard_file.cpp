// See shard_file.hpp.
#include "src/data/shard_file.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

constexpr const char* kNotACache = "give a cache made by anemll_precompute or anemll_cache import";

std::string exact_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

std::string shape_text(std::int64_t rows, const DatasetSpec& spec) {
  std::string text = std::string(h5::name_of(spec.type)) + '[' + std::to_string(rows);
  for (const std::int64_t size : spec.row_shape) text += ", " + std::to_string(size);
  return text + ']';
}

}  // namespace

ShardWriter::ShardWriter(const std::filesystem::path& path, const CacheShape& shape, std::int64_t rows,
                         int compress)
    : shape_(shape), rows_(rows), specs_(datasets_of(shape)), file_(h5::File::create(path)) {
  for (const DatasetSpec& spec : specs_) {
    std::vector<std::int64_t> extent = {rows};
    extent.insert(extent.end(), spec.row_shape.begin(), spec.row_shape.end());
    datasets_.push_back(file_.create_dataset(spec.name, spec.type, extent, compress));
  }
  hashes_.resize(specs_.size());
  written_.resize(specs_.size(), 0);
}

void ShardWriter::append(std::size_t dataset, std::span<const std::byte> rows) {
  const auto count = static_cast<std::int64_t>(rows.size() / specs_[dataset].row_bytes());
  datasets_[dataset].write_rows(written_[dataset], count, rows.data());
  hashes_[dataset].update(rows);
  written_[dataset] += count;
}

ShardEntry ShardWriter::finish(bool all_attended, const std::string& meta_json,
                               const std::string& source_json) {
  std::vector<std::string> digests;
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    if (written_[i] != rows_) {
      throw_data("has " + std::to_string(written_[i]) + " of " + std::to_string(rows_) + " rows",
                 file_.path().string() + ", dataset " + specs_[i].name, "the writer stopped early");
    }
    digests.push_back(hashes_[i].finish_hex());
    datasets_[i].set_text("sha256", digests.back());
    if (specs_[i].name == "lse_train")
      datasets_[i].set_text("temperature", exact_text(shape_.lse_train_temperature));
    if (specs_[i].name == "hidden") datasets_[i].set_text("head_sha256", shape_.head_sha256);
  }
  ShardEntry entry{file_.path().filename().string(), rows_, shard_digest(specs_, rows_, digests)};
  file_.set_text("format", kCacheFormat);
  file_.set_integer("version", kCacheVersion);
  file_.set_integer("vocab_size", shape_.vocab_size);
  file_.set_integer("all_attended", all_attended ? 1 : 0);
  file_.set_text("meta", meta_json);
  file_.set_text("source", source_json);
  file_.set_text("sha256", entry.sha256);
  datasets_.clear();
  file_.close();
  sync_file(file_.path());
  return entry;
}

ShardReader::ShardReader(const std::filesystem::path& path) : file_(h5::File::open(path)) {
  const std::string where = path.string();
  if (!file_.has_attribute("format") || file_.text("format") != kCacheFormat) {
    throw_data("has no attribute format = \"" + std::string(kCacheFormat) + "\"", where, kNotACache);
  }
  for (const char* name : {"version", "vocab_size", "all_attended", "meta", "source", "sha256"}) {
    if (!file_.has_attribute(name)) {
      throw_data(std::string("attribute ") + name + " is missing", where, kShardHint);
    }
  }
  if (const std::int64_t version = file_.integer("version"); version != kCacheVersion) {
    throw_data(
        "version " + std::to_string(version) + " is not this program's " + std::to_string(kCacheVersion),
        where, std::string("use a newer anemll_train, or ") + kMakeAgain);
  }
  shape_.vocab_size = file_.integer("vocab_size");
  if (shape_.vocab_size < 0) throw_data("attribute vocab_size is negative", where, kShardHint);
  all_attended_ = file_.integer("all_attended") != 0;
  sha256_ = file_.text("sha256");
  meta_json_ = file_.text("meta");
  source_json_ = file_.text("source");
  for (const std::string* text : {&meta_json_, &source_json_}) {
    if (!nlohmann::json::accept(*text)) {
      throw_data("attribute meta or source is not valid JSON", where, kShardHint);
    }
  }
  read_shape();
  specs_ = datasets_of(shape_);
  for (const DatasetSpec& spec : specs_) {
    datasets_.push_back(file_.dataset(spec.name));
    const h5::Dataset& dataset = datasets_.back();
    std::vector<std::int64_t> extent = {rows_};
    extent.insert(extent.end(), spec.row_shape.begin(), spec.row_shape.end());
    if (dataset.type() != spec.type || dataset.shape() != extent) {
      throw_data("is " + dataset.describe() + ", expected " + shape_text(rows_, spec),
                 where + ", dataset " + spec.name, kShardHint);
    }
    digests_.push_back(dataset.text("sha256"));
  }
  if (shard_digest(specs_, rows_, digests_) != sha256_) {
    throw_data("the hash of the shard is not that of its datasets", where, kShardHint);
  }
}

// Sizes come from the datasets that define them; the comparison with the full schema follows.
void ShardReader::read_shape() {
  const std::string where = file_.path().string();
  const auto extent = [&](const char* name, std::size_t rank) {
    const h5::Dataset dataset = file_.dataset(name);
    if (dataset.shape().size() != rank) {
      throw_data("is " + dataset.describe() + ", expected " + std::to_string(rank) + " dimensions",
                 where + ", dataset " + name, kShardHint);
    }
    return dataset.shape();
  };
  const std::vector<std::int64_t> ids = extent("input_ids", 2);
  const std::vector<std::int64_t> topk = extent("topk_idx", 3);
  rows_ = ids[0];
  shape_.length = ids[1];
  shape_.positions = topk[1];
  shape_.topk = topk[2];
  if (rows_ < 1 || shape_.length < 2 || shape_.topk < 1) {
    throw_data("holds no samples", where, "a cache needs rows, at least two tokens each and top-k entries");
  }
  if (shape_.positions < 1 || shape_.positions >= shape_.length) {
    throw_data("supervises " + std::to_string(shape_.positions) + " positions of " +
                   std::to_string(shape_.length) + " tokens; 1 to L - 1 are possible",
               where + ", dataset topk_idx", "position s predicts token s + 1");
  }
  if (file_.contains("rand_idx") || file_.contains("rand_logits")) shape_.rand_neg = extent("rand_idx", 3)[2];
  shape_.lse_t1 = file_.contains("lse_t1");
  shape_.lse_train = file_.contains("lse_train");
  if (shape_.lse_train) {
    shape_.lse_train_temperature =
        std::strtod(file_.dataset("lse_train").text("temperature").c_str(), nullptr);
    if (!(shape_.lse_train_temperature > 0)) {
      throw_data("attribute temperature is missing or not positive", where + ", dataset lse_train",
                 kNotACache);
    }
  }
  if (file_.contains("hidden")) {
    shape_.hidden = extent("hidden", 3)[2];
    shape_.head_sha256 = file_.dataset("hidden").text("head_sha256");
  }
}

std::int64_t ShardReader::chunk_rows() const {
  std::int64_t rows = 0;
  for (const h5::Dataset& dataset : datasets_) rows = std::max(rows, dataset.chunk_rows());
  return rows;
}

void ShardReader::read(std::size_t dataset, std::int64_t first, std::int64_t count, std::byte* out) const {
  datasets_[dataset].read_rows(first, count, out);
}

std::size_t ShardReader::find(std::string_view name) const {
  const auto found =
      std::find_if(specs_.begin(), specs_.end(), [&](const DatasetSpec& s) { return s.name == name; });
  return static_cast<std::size_t>(found - specs_.begin());
}

void throw_row_fault(const std::filesystem::path& file, const std::string& dataset, std::int64_t row,
                     const std::string& text) {
  throw_data("row " + std::to_string(row) + ", " + text, file.string() + ", dataset " + dataset,
             "the cache is damaged or was made for another model; restore it or make it again");
}

}  // namespace anemll
