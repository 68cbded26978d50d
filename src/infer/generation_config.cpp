#include "src/infer/generation_config.hpp"

#include "anemll/core/error.hpp"
#include "src/core/content_kind.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

constexpr const char* kEos = "eos_token_id";

/// Keys that are read here, that the options of a program decide, or that change no text.
constexpr auto kKnown = std::to_array<std::string_view>({kEos,
                                                         "top_k",
                                                         "top_p",
                                                         "do_sample",
                                                         "temperature",
                                                         "repetition_penalty",
                                                         "max_length",
                                                         "max_new_tokens",
                                                         "bos_token_id",
                                                         "pad_token_id",
                                                         "decoder_start_token_id",
                                                         "use_cache",
                                                         "cache_implementation",
                                                         "cache_config",
                                                         "transformers_version",
                                                         "_from_model_config",
                                                         "output_attentions",
                                                         "output_hidden_states",
                                                         "output_scores",
                                                         "output_logits",
                                                         "return_dict_in_generate",
                                                         "trust_remote_code"});

[[noreturn]] void bad(const std::string& key, const char* wanted, const std::string& where) {
  throw_data(key + " is not " + wanted, where, "download the file again, or correct the key");
}

json parse(const std::string& text, const std::string& where) {
  json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) throw_data("not a JSON object", where, "download the file again");
  return object;
}

/// Whether a rule is on: those that are off have null, false, 0, nothing, or a factor or share of 1.
bool asks_for_something(const json& value) {
  if (value.is_null() || value.empty()) return false;
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>() != 0 && value.get<double>() != 1;
  return true;
}

/// One id, a list of them, or null.
std::set<std::int32_t> stops_of(const json& object, const std::string& where) {
  std::set<std::int32_t> stops;
  const auto found = object.find(kEos);
  if (found == object.end() || found->is_null()) return stops;
  const json list = found->is_array() ? *found : json::array({*found});
  for (const json& id : list) {
    if (!id.is_number_integer() || id < 0 || id > std::numeric_limits<std::int32_t>::max())
      bad(kEos, "a token id or a list of them", where);
    stops.insert(id.get<std::int32_t>());
  }
  return stops;
}

void read_sampling(const json& object, const std::string& where, GenerationConfig& out) {
  if (const auto k = object.find("top_k"); k != object.end()) {
    if (k->is_null()) {
      out.top_k = 0;
    } else if (!k->is_number_integer() || *k < 0) {
      bad("top_k", "a whole number", where);
    } else {
      out.top_k = k->get<std::int64_t>();
    }
  }
  if (const auto p = object.find("top_p"); p != object.end() && !p->is_null()) {
    if (!p->is_number() || p->get<double>() < 0 || p->get<double>() > 1)
      bad("top_p", "a number from 0 to 1", where);
    out.top_p = p->get<double>();
  }
  for (const auto& [key, value] : object.items()) {
    const bool known = std::find(kKnown.begin(), kKnown.end(), key) != kKnown.end();
    if (known) {
      out.inventory.add(Fate::used, "key of generation_config.json", key);
    } else if (asks_for_something(value)) {
      out.inventory.add(Fate::left_out, "key of generation_config.json", key, "no such rule here");
    }
  }
}

}  // namespace

GenerationConfig read_generation_config(const fs::path& file, const std::string& config,
                                        std::optional<std::int32_t> tokenizer_eos) {
  GenerationConfig out;
  if (!file.empty() && fs::exists(file)) {
    const json object = parse(read_input_text(file), file.string());
    read_sampling(object, file.string(), out);
    out.stops = stops_of(object, file.string());
    out.stops_source = "generation_config.json";
  }
  if (out.stops.empty()) {
    out.stops = stops_of(parse(config, "config.json"), "config.json");
    out.stops_source = "config.json";
  }
  if (out.stops.empty() && tokenizer_eos) {
    out.stops.insert(*tokenizer_eos);
    out.stops_source = "the tokenizer";
  }
  if (out.stops.empty()) out.stops_source.clear();
  return out;
}

}  // namespace anemll
