// The one table of features that files say of a model and that the decoder lacks: their keys in config.json
// and in a GGUF file, and the values with which they change nothing.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace anemll {

/// Numbers of a model that neutral values depend on.
struct ModelSizes {
  std::int64_t hidden_size = 0, heads = 0, head_dim = 0, layers = 0, positions = 0;
  std::string activation;   ///< "silu"
  bool no_experts = false;  ///< a key says that there are none
};

/// With which values a key changes nothing. Null always does.
enum class Neutral : std::uint8_t {
  off,              ///< false, 0, empty, a list of false
  none,             ///< off, or one
  one,              ///< 1
  yes,              ///< true
  all_ones,         ///< a list of ones
  all_dense,        ///< a list of "dense", or empty
  without_experts,  ///< off, one, or any value where there are no experts
  attention_scale,  ///< false, or 1 / sqrt(head_dim)
  head_size,        ///< off, or head_dim
  width,            ///< off, or hidden_size
  root_of_layers,   ///< sqrt(layers)
  past_the_layers,  ///< off, or more than there are layers
  past_the_end,     ///< off, or at least the number of positions: longer texts are refused
  same_activation,  ///< that of hidden_act
};

/// Rows of one feature share its sentence and its remedy.
struct Feature {
  Neutral neutral;
  const char* problem;                    ///< null: another value is told, and not refused
  const char* hint;                       ///< null: the remedy names the families that are known
  std::array<std::string_view, 12> keys;  ///< of config.json, and of the objects in it
  std::array<std::string_view, 8> gguf;   ///< after the family's prefix ("llama.")
};

/// The row of a key of config.json, or null.
const Feature* find_feature(std::string_view key);
/// The row of a key of a GGUF file, or null.
const Feature* find_gguf_feature(std::string_view name);

/// Whether the model computes the same with and without the key. Numbers are compared as closely as files
/// write them.
bool changes_nothing(const Feature& feature, const nlohmann::json& value, const ModelSizes& sizes);
/// The same of a GGUF file, where 0 stands for a key that is not there.
bool gguf_changes_nothing(const Feature& feature, const nlohmann::json& value, const ModelSizes& sizes);

}  // namespace anemll
