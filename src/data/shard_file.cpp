// See shard_file.hpp.
#include "src/data/shard_file.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/plain_numbers.hpp"
#include "src/core/printable.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

constexpr const char* kNotACache = "give a cache made by anemll_precompute or anemll_cache import";

std::string exact_text(double value) {
  return strf("%.17g", value);
}

/// As it stands in the file; empty for a column that has none.
std::string attribute_text(const KdColumn& column, const CacheShape& shape) {
  if (const auto* number = std::get_if<double CacheShape::*>(&column.attribute.value))
    return exact_text(shape.**number);
  if (const auto* text = std::get_if<std::string CacheShape::*>(&column.attribute.value)) return shape.**text;
  return {};
}

void read_attribute(const h5::File& file, const KdColumn& column, CacheShape& shape) {
  if (column.attribute.name.empty()) return;
  const std::string dataset(column.name), name(column.attribute.name);
  const std::string said = file.dataset(dataset).text(name);
  if (const auto* text = std::get_if<std::string CacheShape::*>(&column.attribute.value))
    shape.** text = said;
  const auto* number = std::get_if<double CacheShape::*>(&column.attribute.value);
  if (number == nullptr) return;
  shape.** number = plain_strtod(said.c_str(), nullptr);
  if (!(shape.**number > 0)) {
    throw_data("attribute " + name + " is no positive number, but \"" + printable(said) + "\"",
               file.path().string() + ", dataset " + dataset, kNotACache);
  }
}

}  // namespace

ShardWriter::ShardWriter(const std::filesystem::path& path, const CacheShape& shape, std::int64_t rows,
                         int compress)
    : shape_(shape), rows_(rows), specs_(datasets_of(shape)), file_(h5::File::create(path)) {
  for (const DatasetSpec& spec : specs_) {
    datasets_.push_back(file_.create_dataset(spec.name, spec.dtype(), spec.extent(rows), compress));
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
                 file_.path().string() + ", dataset " + specs_[i].name,
                 "the writer stopped early: start anemll_precompute or anemll_cache again");
    }
    digests.push_back(hashes_[i].finish_hex());
    datasets_[i].set_text("sha256", digests.back());
    const KdColumn& column = *specs_[i].column;
    if (!column.attribute.name.empty())
      datasets_[i].set_text(std::string(column.attribute.name), attribute_text(column, shape_));
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

ShardReader::ShardReader(const std::filesystem::path& path, ColumnTable columns)
    : file_(h5::File::open(path)) {
  shape_.columns = columns;
  const std::string where = path.string();
  if (!file_.has_attribute("format") || file_.text("format") != kCacheFormat) {
    const std::string there =
        file_.has_attribute("format") ? "the format is " + printable(file_.text("format")) : "has no format";
    throw_data(there + ", not the attribute format = \"" + std::string(kCacheFormat) + "\"", where,
               kNotACache);
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
  if (shape_.vocab_size < 0)
    throw_data("attribute vocab_size is negative: " + std::to_string(shape_.vocab_size), where, kShardHint);
  all_attended_ = file_.integer("all_attended") != 0;
  sha256_ = file_.text("sha256");
  meta_json_ = file_.text("meta");
  source_json_ = file_.text("source");
  constexpr std::size_t kShown = 60;
  for (const auto& [name, text] : {std::pair("meta", &meta_json_), std::pair("source", &source_json_)}) {
    if (!nlohmann::json::accept(*text))
      throw_data(std::string("attribute ") + name + " is not valid JSON: " + printable(*text, kShown), where,
                 kShardHint);
  }
  read_shape();
  specs_ = datasets_of(shape_);
  for (const DatasetSpec& spec : specs_) {
    datasets_.push_back(file_.dataset(spec.name));
    const h5::Dataset& dataset = datasets_.back();
    if (dataset.type() != spec.dtype() || dataset.shape() != spec.extent(rows_)) {
      throw_data("is " + dataset.describe() + ", expected " + spec.describe(rows_),
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
  const auto contains = [&](const KdColumn& column) { return file_.contains(std::string(column.name)); };
  rows_ = read_sizes(shape_, contains, [&](const KdColumn& column) {
    const h5::Dataset dataset = file_.dataset(std::string(column.name));
    const std::size_t rank = column.row_rank() + 1;
    if (dataset.shape().size() != rank) {
      throw_data("is " + dataset.describe() + ", expected " + std::to_string(rank) + " dimensions",
                 where + ", dataset " + std::string(column.name), kShardHint);
    }
    return dataset.shape();
  });
  if (rows_ < 1 || shape_.length < 2) {
    throw_data("holds no samples", where, kMakeAgain);
  }
  if (shape_.positions < 1 || shape_.positions >= shape_.length) {
    throw_data("supervises " + std::to_string(shape_.positions) + " positions of " +
                   std::to_string(shape_.length) + " tokens; 1 to L - 1 are possible",
               where + ", dataset topk_idx",
               "position s predicts token s + 1: make the cache again with anemll_precompute");
  }
  for (const KdColumn& column : shape_.columns) {
    if (shape_.has(column)) read_attribute(file_, column, shape_);
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

void throw_row_fault(const std::filesystem::path& file, const std::string& dataset, std::int64_t row,
                     const std::string& text) {
  throw_data("row " + std::to_string(row) + ", " + text, file.string() + ", dataset " + dataset,
             "the cache is damaged or was made for another model; restore it or make it again with "
             "anemll_precompute");
}

}  // namespace anemll
