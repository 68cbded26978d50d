// Rows of a KD cache in memory: one contiguous array per column, by its name.
#pragma once

#include "anemll/data/kd_columns.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace anemll {

/// Arrays of columns. The names belong to a ColumnTable, so they outlive all of this.
class ColumnArrays {
 public:
  struct Array {
    std::string_view name;
    std::vector<std::byte> bytes;
  };
  struct Extent {
    std::string_view name;
    std::size_t bytes = 0;
  };

  /// Exactly these arrays in this order, whose content is not defined: memory is used again.
  void reshape(std::span<const Extent> extents);
  /// Empty when the column is not here, as in `array[key]` too.
  std::span<const std::byte> bytes(std::string_view name) const;
  std::span<std::byte> bytes(std::string_view name);
  const std::vector<Array>& arrays() const { return arrays_; }

  template <class T>
  std::span<const T> operator[](ColumnKey<T> key) const {
    const std::span<const std::byte> all = bytes(key.name);
    return {reinterpret_cast<const T*>(all.data()), all.size() / sizeof(T)};
  }
  template <class T>
  std::span<T> operator[](ColumnKey<T> key) {
    const std::span<std::byte> all = bytes(key.name);
    return {reinterpret_cast<T*>(all.data()), all.size() / sizeof(T)};
  }
  /// `more` elements behind those that are here, zero; makes the array when there is none.
  template <class T>
  std::span<T> extend(ColumnKey<T> key, std::int64_t more) {
    const std::size_t size = static_cast<std::size_t>(more) * sizeof(T);
    return {reinterpret_cast<T*>(extend_bytes(key.name, size)), static_cast<std::size_t>(more)};
  }

 protected:
  std::vector<Array> arrays_;

 private:
  std::byte* extend_bytes(std::string_view name, std::size_t more);
};

/// Rows of a cache; n of them.
struct KdBatch : ColumnArrays {
  std::int64_t rows = 0;
  std::int64_t length = 0;            ///< L
  std::int64_t positions = 0;         ///< S
  std::int64_t topk = 0;              ///< K
  std::int64_t rand_neg = 0;          ///< R, 0 unless negatives were asked for
  std::int64_t hidden_size = 0;       ///< H, 0 unless hidden states were asked for
  std::vector<std::int64_t> row_ids;  ///< [n], their numbers in the cache; -1: nothing, it does not count

  bool is_missing(std::int64_t row) const { return row_ids[static_cast<std::size_t>(row)] < 0; }
  /// The rows [first, first + count), with all columns.
  KdBatch slice(std::int64_t first, std::int64_t count) const;
  /// Keeps the rows at these places, which ascend.
  void keep_rows(std::span<const std::int64_t> places);
};

}  // namespace anemll
