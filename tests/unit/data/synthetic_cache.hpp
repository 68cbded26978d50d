// Small caches with known content for the tests of src/data, written through the library's own shard writer,
// so that a fault can be planted in the content while hashes and index stay right.
#pragma once

#include "anemll/core/file.hpp"
#include "src/data/schema.hpp"
#include "src/data/shard_file.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace anemll::test {

/// L 8, S 7, K 4, R 3, vocabulary 1000.
inline CacheShape small_shape() {
  CacheShape shape;
  shape.length = 8;
  shape.positions = 7;
  shape.topk = 4;
  shape.rand_neg = 3;
  shape.vocab_size = 1000;
  return shape;
}

/// Value of element `i` of global row `row`; every dataset has its own range.
inline std::int32_t expected_id(const std::string& dataset, std::int64_t row, std::int64_t i) {
  const std::int64_t start = dataset == "input_ids" ? 0 : dataset == "topk_idx" ? 300 : 600;
  return static_cast<std::int32_t>((start + row * 7 + i) % 1000);
}
/// Half floats that fall along the last dimension: 0x4400 is 4.0, each step down one ulp.
inline std::uint16_t expected_half(std::int64_t row, std::int64_t i, std::int64_t last_dimension) {
  return static_cast<std::uint16_t>(0x4400 - (i % last_dimension) - row % 100);
}

using DatasetBytes = std::vector<std::byte>;

inline DatasetBytes make_rows(const DatasetSpec& spec, std::int64_t first_row, std::int64_t rows) {
  DatasetBytes bytes(static_cast<std::size_t>(rows) * spec.row_bytes());
  const std::int64_t n = spec.row_elements();
  const auto put = [&](std::int64_t row, std::int64_t i, auto value) {
    std::memcpy(bytes.data() + static_cast<std::size_t>(row * n + i) * sizeof value, &value, sizeof value);
  };
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t i = 0; i < n; ++i) {
      if (spec.dtype() == DType::i32) put(row, i, expected_id(spec.name, first_row + row, i));
      if (spec.dtype() == DType::u8) put(row, i, std::uint8_t{1});
      if (spec.dtype() == DType::f16) put(row, i, expected_half(first_row + row, i, spec.row_shape.back()));
      if (spec.dtype() == DType::f32) put(row, i, static_cast<float>(first_row + row) + 0.25F);
    }
  }
  return bytes;
}

/// Changes the bytes of one dataset of one shard before they are written and hashed.
using Plant = std::function<void(std::size_t shard, const DatasetSpec& spec, DatasetBytes& bytes)>;

inline ShardEntry write_shard(const std::filesystem::path& path, const CacheShape& shape, std::size_t number,
                              std::int64_t first_row, std::int64_t rows, int compress = 0,
                              const Plant& plant = {}) {
  ShardWriter writer(path, shape, rows, compress);
  for (std::size_t i = 0; i < writer.specs().size(); ++i) {
    DatasetBytes bytes = make_rows(writer.specs()[i], first_row, rows);
    if (plant) plant(number, writer.specs()[i], bytes);
    writer.append(i, bytes);
  }
  return writer.finish(true, R"({"teacher_model":"synthetic"})", "{}");
}

inline CacheIndex write_cache(const std::filesystem::path& folder, const CacheShape& shape,
                              const std::vector<std::int64_t>& rows, int compress = 0,
                              const Plant& plant = {}) {
  std::filesystem::create_directories(folder);
  CacheIndex index;
  index.shape = shape;
  index.meta_json = R"({"teacher_model":"synthetic"})";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    index.shards.push_back(write_shard(folder / shard_name(static_cast<std::int64_t>(i), ".h5"), shape, i,
                                       index.sequences(), rows[i], compress, plant));
  }
  write_file(folder / kIndexName, write_index(index));
  return index;
}

/// Plants one element into one row of one dataset of one shard.
template <class T>
Plant plant_value(std::size_t shard, const std::string& dataset, std::int64_t row, std::int64_t element,
                  T value) {
  return [=](std::size_t number, const DatasetSpec& spec, DatasetBytes& bytes) {
    if (number != shard || spec.name != dataset) return;
    std::memcpy(bytes.data() + static_cast<std::size_t>(row * spec.row_elements() + element) * sizeof(T),
                &value, sizeof(T));
  };
}

}  // namespace anemll::test
