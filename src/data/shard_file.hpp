// One shard, which is also a whole cache when it stands alone: an HDF5 file with the datasets of its shape
// and attributes that describe them. Writing hashes what passes; reading validates everything but content.
#pragma once

#include "src/core/hash.hpp"
#include "src/data/h5.hpp"
#include "src/data/schema.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace anemll {

class ShardWriter {
 public:
  ShardWriter(const std::filesystem::path& path, const CacheShape& shape, std::int64_t rows, int compress);

  const std::vector<DatasetSpec>& specs() const { return specs_; }
  /// The next rows of dataset `specs()[dataset]`. Datasets may advance at different times.
  void append(std::size_t dataset, std::span<const std::byte> rows);
  /// Writes the attributes and makes the file durable. All datasets must be full.
  ShardEntry finish(bool all_attended, const std::string& meta_json, const std::string& source_json);

 private:
  CacheShape shape_;
  std::int64_t rows_;
  std::vector<DatasetSpec> specs_;
  h5::File file_;
  std::vector<h5::Dataset> datasets_;
  std::vector<Sha256> hashes_;
  std::vector<std::int64_t> written_;
};

class ShardReader {
 public:
  /// Data errors name file, dataset and what was expected.
  explicit ShardReader(const std::filesystem::path& path, ColumnTable columns = kd_columns());

  const std::filesystem::path& path() const { return file_.path(); }
  const CacheShape& shape() const { return shape_; }
  std::int64_t rows() const { return rows_; }
  bool all_attended() const { return all_attended_; }
  const std::string& sha256() const { return sha256_; }
  const std::string& meta_json() const { return meta_json_; }
  const std::string& source_json() const { return source_json_; }
  const std::vector<DatasetSpec>& specs() const { return specs_; }
  /// Digest that the file states for one dataset.
  const std::string& stated_digest(std::size_t dataset) const { return digests_[dataset]; }
  /// Chunk rows of the dataset with the largest chunk; 0 when nothing is chunked.
  std::int64_t chunk_rows() const;

  void read(std::size_t dataset, std::int64_t first, std::int64_t count, std::byte* out) const;

 private:
  void read_shape();
  h5::File file_;
  CacheShape shape_;
  std::int64_t rows_ = 0;
  bool all_attended_ = true;
  std::string sha256_, meta_json_, source_json_;
  std::vector<DatasetSpec> specs_;
  std::vector<h5::Dataset> datasets_;
  std::vector<std::string> digests_;
};

/// Throws the data error for a fault at `row` (counted from 0 in that file).
[[noreturn]] void throw_row_fault(const std::filesystem::path& file, const std::string& dataset,
                                  std::int64_t row, const std::string& text);

}  // namespace anemll
