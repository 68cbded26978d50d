#include "src/model/internal/gguf_config.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/model/architecture.hpp"
#include "src/core/plain_numbers.hpp"
#include "src/formats/shown.hpp"
#include "src/model/internal/families.hpp"
#include "src/model/internal/json_reader.hpp"
#include "src/model/internal/limits.hpp"
#include "src/model/internal/rope.hpp"
#include "src/model/tensor_registry.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using Json = nlohmann::ordered_json;

/// Larger numbers are faults.
constexpr std::int64_t kMaxNumber = std::int64_t{1} << 40;

constexpr const char* kDamaged =
    "the file is damaged; convert the original model again with convert_hf_to_gguf.py of llama.cpp, or give "
    "the "
    "model as ORG/NAME";
constexpr const char* kIncomplete =
    "the file is incomplete; convert the original model again with convert_hf_to_gguf.py of llama.cpp, or "
    "give "
    "the model as ORG/NAME";

/// Typed access to the metadata of one family.
class Metadata {
 public:
  explicit Metadata(const GgufFile& file) : file_(file) {}

  void set_family(std::string_view family) { prefix_ = std::string(family) + "."; }
  std::string key(const std::string& name) const { return prefix_ + name; }

  [[noreturn]] void fail(const std::string& key, const std::string& what, const std::string& hint) const {
    throw_data(what, file_.path.string() + ", key \"" + key + "\"", hint + "; " + kAnotherModel);
  }

  std::optional<std::int64_t> integer(const std::string& key, std::int64_t min = 0,
                                      std::int64_t max = kMaxNumber) const {
    const GgufValue* value = file_.find(key);
    if (value == nullptr) return std::nullopt;
    if (const auto* u = std::get_if<std::uint64_t>(value)) {
      if (*u <= static_cast<std::uint64_t>(max) && static_cast<std::int64_t>(*u) >= min)
        return static_cast<std::int64_t>(*u);
    } else if (const auto* i = std::get_if<std::int64_t>(value)) {
      if (*i >= min && *i <= max) return *i;
    } else if (std::holds_alternative<std::vector<std::int64_t>>(*value)) {
      fail(key, shown(*value) + ": a number per layer is not supported",
           "use a model whose layers are all alike");
    }
    fail(key, shown(*value) + ": not a number from " + std::to_string(min) + " to " + std::to_string(max),
         kDamaged);
  }
  std::int64_t required(const std::string& key, std::int64_t min, std::int64_t max) const {
    if (const auto value = integer(key, min, max)) return *value;
    fail(key, "the key is missing", kIncomplete);
  }
  std::optional<double> real(const std::string& key, double min = std::numeric_limits<double>::lowest(),
                             double max = std::numeric_limits<double>::max()) const {
    const GgufValue* value = file_.find(key);
    if (value == nullptr) return std::nullopt;
    const auto* stored = std::get_if<double>(value);
    const double number = stored != nullptr ? shortest(*stored) : static_cast<double>(*integer(key));
    if (!std::isfinite(number)) fail(key, strf("%g: not a finite number", number), kDamaged);
    if (number < min || number > max)
      fail(key, strf("%g: not a number from %g to %g", number, min, max), kDamaged);
    return number;
  }
  std::optional<std::string> text(const std::string& key) const {
    const GgufValue* value = file_.find(key);
    if (value == nullptr) return std::nullopt;
    if (const auto* s = std::get_if<std::string>(value)) return *s;
    fail(key, shown(*value) + ": not a text", kDamaged);
  }

 private:
  /// The decimal number that was meant: 1e-5 is stored as the float 9.99999975e-06.
  static double shortest(double stored) {
    const float narrow = static_cast<float>(stored);
    if (static_cast<double>(narrow) != stored || !std::isfinite(narrow)) return stored;
    std::array<char, 32> digits{};
    const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size() - 1, narrow);
    return error == std::errc() ? plain_strtod(digits.data(), nullptr) : stored;
  }

  const GgufFile& file_;
  std::string prefix_;
};

const Family& family_of(const Metadata& metadata, std::span<const Family> families) {
  constexpr const char* kKey = "general.architecture";
  const auto name = metadata.text(kKey);
  if (!name) metadata.fail(kKey, "the key is missing", "the file holds no model; give another one");
  if (const Family* family = find_family(families, *name)) return *family;
  metadata.fail(kKey, "the model family \"" + *name + "\" is not supported",
                "known families: " + family_names(families));
}

/// An adapter in place of a model, and scalings of the rotary embedding that change something.
void refuse_unsupported(const Metadata& metadata) {
  if (const auto type = metadata.text("general.type"); type && *type != "model") {
    metadata.fail("general.type", "the file holds a \"" + *type + "\", not a model",
                  "give the file with the model's weights");
  }
  const auto type = metadata.text(metadata.key("rope.scaling.type")).value_or("linear");
  if (type == "none") return;
  for (const char* name : {"rope.scaling.factor", "rope.scale_linear"}) {
    const double factor = metadata.real(metadata.key(name)).value_or(1);
    if (factor == 0 || factor == 1) continue;  // 0 stands for none
    metadata.fail(metadata.key(name),
                  strf("the rope scaling \"%s\" by %g is not supported", type.c_str(), factor),
                  "use the model without it: a factor of 1 changes nothing");
  }
  const bool said = metadata.real(metadata.key("rope.scaling.factor")).has_value();
  if (type == "linear" || (type == "yarn" && said)) return;  // by 1
  metadata.fail(metadata.key("rope.scaling.type"), "the rope scaling \"" + type + "\" is not supported",
                "known: none, and linear or yarn with the factor 1");
}

/// Llama 3 files store one divisor per frequency. They are accepted when they are those of "llama3" scaling
/// with the numbers that all its models share.
Json rope_scaling(const GgufFile& file, Rope rope, std::int64_t head_dim) {
  for (const char* name : {"rope_factors_long.weight", "rope_factors_short.weight"}) {
    if (file.tensor(name) != nullptr) {
      throw_data(std::string("the rope scaling of tensor ") + name + " is not supported", file.path.string(),
                 std::string("use a model without long-context scaling; ") + kAnotherModel);
    }
  }
  const GgufTensor* tensor = file.tensor("rope_freqs.weight");
  if (tensor == nullptr) return nullptr;
  // The shape first: what is allocated below is bounded by the file.
  const bool shaped =
      type_of(file, *tensor) == GgufType::f32 && tensor->shape == std::vector<std::int64_t>{head_dim / 2};
  const std::vector<float> plain = shaped ? rope_frequencies(rope, head_dim) : std::vector<float>();
  std::vector<float> divisors(plain.size());
  if (shaped) dequantise_blocks(GgufType::f32, tensor->data, divisors);
  const auto is_one = [](float divisor) { return divisor == 1.0F; };
  if (shaped && std::all_of(divisors.begin(), divisors.end(), is_one)) return nullptr;

  constexpr double kLow = 1, kHigh = 4, kTolerance = 1e-4;  // the files hold float32 quotients
  constexpr std::int64_t kOriginal = 8192;
  bool same = !divisors.empty() && divisors.back() >= 1 && divisors.back() <= kMaxRopeFactor;
  if (same) {
    rope.scaling = RopeScaling{static_cast<double>(divisors.back()), kLow, kHigh, kOriginal};
    const std::vector<float> scaled = rope_frequencies(rope, head_dim);
    for (std::size_t i = 0; i < plain.size(); ++i) {
      const double expected = static_cast<double>(plain[i]) / static_cast<double>(scaled[i]);
      same = same && std::abs(static_cast<double>(divisors[i]) - expected) <= kTolerance * expected;
    }
  }
  if (!same) {
    throw_data("rope_freqs.weight is not the llama3 scaling that is known here", file.path.string(),
               "give the model as a folder or ORG/NAME, where config.json says what its scaling is");
  }
  return {{"rope_type", "llama3"},
          {"factor", static_cast<double>(divisors.back())},
          {"low_freq_factor", kLow},
          {"high_freq_factor", kHigh},
          {"original_max_position_embeddings", kOriginal}};
}

/// Rows of the embedding: files may pad the list of tokens or leave it out.
std::int64_t vocabulary(const GgufFile& file, const Metadata& metadata) {
  constexpr const char* kTokens = "tokenizer.ggml.tokens";
  const GgufTensor* embedding = file.tensor(kGgufEmbeddingName);
  if (embedding == nullptr || embedding->shape.size() != 2) {
    throw_data("tensor token_embd.weight is missing or not a matrix", file.path.string(), kIncomplete);
  }
  const std::int64_t rows = embedding->shape.front();
  if (rows < 1 || rows > kMaxVocab) {
    throw_data("tensor token_embd.weight has " + std::to_string(rows) + " rows", file.path.string(),
               kDamaged);
  }
  if (const GgufValue* value = file.find(kTokens)) {
    const auto* tokens = std::get_if<std::vector<std::string>>(value);
    if (tokens == nullptr) metadata.fail(kTokens, shown(*value) + ": not a list of texts", kDamaged);
  }
  return rows;
}

void read_head_size(const Metadata& metadata, Architecture& a) {
  const std::string key = metadata.key("attention.key_length");
  const auto key_length = metadata.integer(key, 1, kMaxWidth);
  if (!key_length && a.hidden_size % a.heads != 0) {
    metadata.fail(metadata.key("attention.head_count"),
                  strf("embedding_length %lld is not a multiple of %lld",
                       static_cast<long long>(a.hidden_size), static_cast<long long>(a.heads)),
                  kDamaged);
  }
  a.head_dim = key_length.value_or(a.hidden_size / a.heads);
  if (a.head_dim % 2 != 0 || a.heads * a.head_dim > kMaxWidth) {
    metadata.fail(key_length ? key : metadata.key("attention.head_count"),
                  strf("%lld heads of %lld values are not supported", static_cast<long long>(a.heads),
                       static_cast<long long>(a.head_dim)),
                  strf("heads must have an even size, at most %lld values together",
                       static_cast<long long>(kMaxWidth)));
  }
  for (const char* name : {"attention.value_length", "rope.dimension_count"}) {
    const std::int64_t size = metadata.integer(metadata.key(name)).value_or(a.head_dim);
    if (size != a.head_dim) {
      metadata.fail(metadata.key(name),
                    std::to_string(size) + " differs from the head size " + std::to_string(a.head_dim),
                    "use a model that rotates whole heads, with keys and values of one size");
    }
  }
}

/// Whether the file has a bias that the family leaves to `rule`.
bool has_bias(const GgufFile& file, const Family& family, BiasRule rule) {
  for (std::size_t i = 0; i < kLayerLinears; ++i) {
    if (family.biases[i] == rule && file.tensor(gguf_bias_name(0, static_cast<LayerLinear>(i))) != nullptr)
      return true;
  }
  return false;
}

}  // namespace

std::string gguf_config_json(const GgufFile& file, std::span<const Family> families) {
  Metadata metadata(file);
  const Family& family = family_of(metadata, families);
  metadata.set_family(family.name);
  refuse_unsupported(metadata);
  const auto size = [&](const char* name) { return metadata.required(metadata.key(name), 1, kMaxWidth); };

  Architecture a;
  a.vocab_size = vocabulary(file, metadata);
  a.hidden_size = size("embedding_length");
  a.heads = size("attention.head_count");
  const std::string kv_heads = metadata.key("attention.head_count_kv");
  a.kv_heads = metadata.integer(kv_heads, 1, kMaxWidth).value_or(a.heads);
  if (a.heads % a.kv_heads != 0) {
    metadata.fail(kv_heads,
                  strf("%lld heads cannot share %lld of keys and values", static_cast<long long>(a.heads),
                       static_cast<long long>(a.kv_heads)),
                  kDamaged);
  }
  read_head_size(metadata, a);
  Rope rope;
  rope.theta = metadata.real(metadata.key("rope.freq_base"), 1, kMaxTheta).value_or(rope.theta);
  const std::string eps_key = metadata.key("attention.layer_norm_rms_epsilon");
  const auto eps = metadata.real(eps_key, 0, 1);
  if (!eps) metadata.fail(eps_key, "the key is missing", kIncomplete);

  Json config;
  config["architectures"] = Json::array({std::string(family.class_name)});
  config["model_type"] = std::string(family.name);
  config["vocab_size"] = a.vocab_size;
  config["hidden_size"] = a.hidden_size;
  config["intermediate_size"] = size("feed_forward_length");
  config["num_hidden_layers"] = metadata.required(metadata.key("block_count"), 1, kMaxLayers);
  config["num_attention_heads"] = a.heads;
  config["num_key_value_heads"] = a.kv_heads;
  config["head_dim"] = a.head_dim;
  config["hidden_act"] = "silu";
  config["max_position_embeddings"] = metadata.required(metadata.key("context_length"), 1, kMaxPositions);
  config["rms_norm_eps"] = *eps;
  config["rope_theta"] = rope.theta;
  config["rope_scaling"] = rope_scaling(file, rope, a.head_dim);
  config["tie_word_embeddings"] = file.tensor(kGgufHeadName) == nullptr;
  for (const auto& [key, rule] :
       {std::pair{"attention_bias", BiasRule::attention_key}, std::pair{"mlp_bias", BiasRule::mlp_key}}) {
    if (uses(family, rule)) config[key] = has_bias(file, family, rule);
  }
  for (const auto& [to, from] : {std::pair{"bos_token_id", "tokenizer.ggml.bos_token_id"},
                                 std::pair{"eos_token_id", "tokenizer.ggml.eos_token_id"},
                                 std::pair{"pad_token_id", "tokenizer.ggml.padding_token_id"}}) {
    if (const auto id = metadata.integer(from)) config[to] = *id;
  }
  config["torch_dtype"] = "float16";
  return config.dump(2);
}

}  // namespace anemll
