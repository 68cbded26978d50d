// The columns of a KD cache, in one table: their names, types and sizes, the payload that each belongs to,
// what a missing row holds and which values are sound. Schema, readers, writers, import, export, the
// teacher's files and batches loop over it. A new column is one row of it, and the code that makes its
// values.
#pragma once

#include "anemll/core/tensor.hpp"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace anemll {

/// What is asked for together: of a teacher, and of a read.
enum class Payload : std::uint8_t { tokens, topk, negatives, lse, hidden };

struct PayloadRow {
  Payload payload;
  std::string_view name;   ///< in `--payload`; empty where another option asks for it
  std::string_view words;  ///< in sentences
};
/// One row per payload. The order of the names is that of a cache's identity.
std::span<const PayloadRow> kd_payloads();

class PayloadSet {
 public:
  constexpr PayloadSet() = default;
  constexpr PayloadSet(std::initializer_list<Payload> payloads) {
    for (const Payload payload : payloads) add(payload);
  }
  constexpr void add(Payload payload) { bits_ |= bit(payload); }
  constexpr bool has(Payload payload) const { return (bits_ & bit(payload)) != 0; }
  bool operator==(const PayloadSet&) const = default;

 private:
  static constexpr std::uint32_t bit(Payload payload) { return 1U << static_cast<unsigned>(payload); }
  std::uint32_t bits_ = 0;
};

/// The name of a column with the C++ type of its elements; uint16_t holds the bits of a binary16.
template <class T>
struct ColumnKey {
  static_assert(std::is_same_v<T, std::int32_t> || std::is_same_v<T, std::uint8_t> ||
                std::is_same_v<T, std::uint16_t> || std::is_same_v<T, float>);
  static constexpr DType dtype = std::is_same_v<T, std::int32_t>    ? DType::i32
                                 : std::is_same_v<T, std::uint8_t>  ? DType::u8
                                 : std::is_same_v<T, std::uint16_t> ? DType::f16
                                                                    : DType::f32;
  std::string_view name;
  constexpr operator std::string_view() const { return name; }
};

/// The columns that this program makes. n rows, L tokens, S positions, K candidates, R negatives, H wide.
namespace kd {
inline constexpr ColumnKey<std::int32_t> input_ids{"input_ids"};            // [n, L]
inline constexpr ColumnKey<std::uint8_t> attention_mask{"attention_mask"};  // [n, L]
inline constexpr ColumnKey<std::int32_t> topk_idx{"topk_idx"};              // [n, S, K]
inline constexpr ColumnKey<std::uint16_t> topk_logits{"topk_logits"};       // [n, S, K]
inline constexpr ColumnKey<std::int32_t> rand_idx{"rand_idx"};              // [n, S, R]
inline constexpr ColumnKey<std::uint16_t> rand_logits{"rand_logits"};       // [n, S, R]
inline constexpr ColumnKey<float> lse_t1{"lse_t1"};                         // [n, S]
inline constexpr ColumnKey<float> lse_train{"lse_train"};                   // [n, S]
inline constexpr ColumnKey<std::uint16_t> hidden{"hidden"};                 // [n, S, H]
}  // namespace kd

struct KdColumn;

/// Columns in the order of files and hashes. They must live as long as the program.
class ColumnTable {
 public:
  constexpr ColumnTable(const KdColumn* begin, const KdColumn* end) : begin_(begin), end_(end) {}
  constexpr const KdColumn* begin() const { return begin_; }
  constexpr const KdColumn* end() const { return end_; }
  /// nullptr when there is none of this name.
  const KdColumn* find(std::string_view name) const;
  bool operator==(const ColumnTable&) const = default;

 private:
  const KdColumn* begin_;
  const KdColumn* end_;
};

/// The table of this program's columns.
ColumnTable kd_columns();

/// What all rows of a cache have in common: sizes, and which columns there are.
struct CacheShape {
  std::int64_t length = 0;            ///< L, tokens per sequence
  std::int64_t positions = 0;         ///< S, supervised positions per sequence, at most L - 1
  std::int64_t topk = 0;              ///< K, 0 when there are no candidates
  std::int64_t rand_neg = 0;          ///< R, 0 when there are no negatives
  std::int64_t vocab_size = 0;        ///< 0 when the source did not say
  std::set<std::string_view> listed;  ///< those columns of Presence::listed that are there
  double lse_train_temperature = 0;   ///< of lse_train, 0 when that is absent
  std::int64_t hidden = 0;            ///< H of the teacher's last hidden states, 0 when they are absent
  std::string head_sha256;            ///< of the language-model head that they belong to
  ColumnTable columns = kd_columns();

  bool operator==(const CacheShape&) const = default;
  bool has(const KdColumn& column) const;
  /// False for names that the table does not have.
  bool has(std::string_view column) const;
  /// Those that have a column here.
  PayloadSet payloads() const;
  /// Adds the listed columns of a payload.
  void list(Payload payload);
  /// "L 64, S 63, K 64, R 128, vocabulary 49152" plus payloads, for messages.
  std::string describe() const;
};

/// always: in every cache. sized: where its sizes are positive. listed: where CacheShape::listed names it.
enum class Presence : std::uint8_t { always, sized, listed };

/// What a sound value is; see row_checks.hpp for when it is looked at.
enum class Content : std::uint8_t { token_ids, mask, descending_logits, numbers };

/// A fact about a whole column that its file states: text in HDF5, a key in index.json.
struct ColumnAttribute {
  std::string_view name = {};
  std::string_view words = {};  ///< before the value, in messages
  std::variant<std::monostate, double CacheShape::*, std::string CacheShape::*> value = {};
};

struct KdColumn {
  std::string_view name = {};        ///< of the dataset in HDF5
  std::string_view torch_name = {};  ///< in the reference's .pt shards; empty where they have no place for it
  DType dtype = DType::f32;
  std::array<std::int64_t CacheShape::*, 2> sizes = {};  ///< of a row; the second may be null
  Payload payload = Payload::tokens;
  Presence presence = Presence::listed;
  Content content = Content::numbers;
  std::uint8_t fill = 0;           ///< each byte of a missing row
  ColumnAttribute attribute = {};  ///< of columns that .pt shards have no place for

  constexpr std::size_t row_rank() const { return sizes[1] == nullptr ? 1 : 2; }
  /// Whether index.json names it among the payloads: K and R say that there are candidates and negatives.
  constexpr bool in_index() const {
    return presence != Presence::always && payload != Payload::topk && payload != Payload::negatives;
  }
};

}  // namespace anemll
