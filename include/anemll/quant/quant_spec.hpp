// What the linears of a model become: table, rank, group and layer type of each by name. Two numbers per kind
// of linear are the short form of it.
#pragma once

#include "anemll/model/architecture.hpp"
#include "anemll/quant/layer_modes.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {

/// Bits that an index into a table needs: 2 for 4 entries, 3 for 5 to 8.
std::int64_t bits_of(std::int64_t lut_size);

/// One linear.
struct LinearQuant {
  std::string type = "v2";       ///< layer type
  std::int64_t lut_size = 16;    ///< table entries, 2 to 256; 0: none, the linear is not quantised
  std::int64_t rank = 4;         ///< of its scales; 0: a scale for each weight (V1 alone)
  std::int64_t group_size = 32;  ///< input columns that share a maximum where scales are made
  bool force_positive_scales = false;

  // V1 alone.
  std::int64_t padded_in = 0;     ///< columns of its scales; 0: the input's, rounded up to whole groups
  bool lut_include_zero = false;  ///< where it starts from a weight
  V1Snap snapped = V1Snap::none;

  bool operator==(const LinearQuant&) const = default;
  std::int64_t bits() const { return bits_of(lut_size); }
  /// "4 entries rank 32", "float"
  std::string describe() const;
};

/// A linear that stays what it is: layer type "float", without a table.
LinearQuant float_linear();

/// What a linear is in its layer, by its name; nothing for another name.
std::optional<LayerLinear> kind_of_linear(std::string_view linear);

/// Table size and rank.
struct LinearNumbers {
  std::int64_t lut = 4;
  std::int64_t rank = 32;
  bool operator==(const LinearNumbers&) const = default;
};

/// The short form: two numbers for the linears of the MLP, two for those of attention, and two for each kind
/// of linear that has others.
struct QuantScheme {
  std::int64_t mlp_lut = 4;
  std::int64_t mlp_rank = 32;
  std::int64_t attn_lut = 16;
  std::int64_t attn_rank = 8;
  std::array<std::optional<LinearNumbers>, kLayerLinears> kinds{};  ///< by LayerLinear

  bool operator==(const QuantScheme&) const = default;
  LinearNumbers of(std::string_view linear, bool mlp) const;
  /// "MLP 4 entries rank 32, attention 16 entries rank 8"; kinds with other numbers behind that
  std::string describe() const;
};

/// All linears of a body, in module order.
class QuantSpec {
 public:
  struct Entry {
    std::string linear;  ///< "model.layers.0.self_attn.q_proj"
    bool mlp = false;
    LinearQuant quant;
    bool operator==(const Entry&) const = default;
  };

  QuantSpec() = default;
  QuantSpec(std::span<const LinearSpec> linears, const QuantScheme& scheme, std::int64_t group_size);

  const std::vector<Entry>& entries() const { return entries_; }
  std::vector<Entry>& entries() { return entries_; }
  /// Usage error for a linear that the model has not.
  const LinearQuant& of(const std::string& linear) const;

  /// The numbers that most linears of the MLP and of attention have. No kinds.
  QuantScheme usual() const;
  /// Linears with other numbers than those.
  std::vector<Entry> exceptions() const;
  bool mixed() const { return !exceptions().empty(); }
  /// Of the MLP's first linear: a source names one for all, but for attention in V1.
  std::int64_t group_size() const;
  /// That of the attention's quantised linears; the MLP's where there are none.
  std::int64_t attn_group_size() const;
  /// Of the first linear: a source names one for all.
  bool force_positive_scales() const;
  /// The short form, and where linears differ from it how many and the first of them.
  std::string describe() const;

  bool operator==(const QuantSpec&) const = default;

 private:
  std::vector<Entry> entries_;
};

}  // namespace anemll
