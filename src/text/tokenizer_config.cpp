// The table of keys of tokenizer_config.json. A key without a row is told by its name.
#include "src/text/internal/tokenizer_config.hpp"

#include "anemll/core/error.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/one_of.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

namespace anemll::text {
namespace {

using nlohmann::json;

constexpr const char* kFile = "tokenizer_config.json";
constexpr std::array<std::string_view, 2> kLists{"additional_special_tokens", "extra_special_tokens"};

/// Keys that change no id of a text which is encoded without special tokens added: lengths, padding,
/// decoding, how the file was made. transformers takes no heed of add_bos_token and add_eos_token beside a
/// tokenizer.json.
constexpr std::array<std::string_view, 41> kHarmless{"_commit_hash",
                                                     "_from_auto",
                                                     "add_bos_token",
                                                     "add_eos_token",
                                                     "backend",
                                                     "clean_up_tokenization_spaces",
                                                     "device_map",
                                                     "errors",
                                                     "from_slow",
                                                     "full_tokenizer_file",
                                                     "init_inputs",
                                                     "is_local",
                                                     "legacy",
                                                     "local_files_only",
                                                     "max_length",
                                                     "merges_file",
                                                     "model_input_names",
                                                     "model_max_length",
                                                     "name_or_path",
                                                     "pad_to_multiple_of",
                                                     "pad_token_type_id",
                                                     "padding",
                                                     "padding_side",
                                                     "processor_class",
                                                     "response_schema",
                                                     "return_token_type_ids",
                                                     "revision",
                                                     "slow_tokenizer_class",
                                                     "sp_model_kwargs",
                                                     "spaces_between_special_tokens",
                                                     "special_tokens_map_file",
                                                     "stride",
                                                     "tokenizer_file",
                                                     "truncation",
                                                     "truncation_side",
                                                     "truncation_strategy",
                                                     "trust_remote_code",
                                                     "use_default_system_prompt",
                                                     "use_fast",
                                                     "vocab_file",
                                                     "vocab_size"};

/// Keys that change ids unless they are false, null or empty.
struct Switch {
  std::string_view key;
  const char* why;
};
constexpr std::array kSwitches{
    Switch{"add_prefix_space", "no space is put before a text"},
    Switch{"auto_map", "code of the model's folder is not run"},
    Switch{"do_lower_case", "texts keep their case"},
    Switch{"fast_tokenizer_files", "tokenizer.json is read, whatever version the others are for"},
    Switch{"fix_mistral_regex", "the pattern of tokenizer.json is used as it is"},
    Switch{"split_special_tokens", "special tokens are never split"},
};

bool is_off(const json& value) {
  return value.is_null() || value == false || ((value.is_object() || value.is_array()) && value.empty());
}

bool is_token(const json& value) {
  return value.is_string() ||
         (value.is_object() && value.contains("content") && value["content"].is_string());
}

bool flag(const json& value, const char* key, bool absent) {
  const auto found = value.find(key);
  return found != value.end() && found->is_boolean() ? found->get<bool>() : absent;
}

AddedToken token_of(const json& value, bool special) {
  AddedToken token;
  token.special = special;
  if (value.is_string()) {
    token.content = value.get<std::string>();
    return token;
  }
  token.content = value["content"].get<std::string>();
  token.single_word = flag(value, "single_word", false);
  token.lstrip = flag(value, "lstrip", false);
  token.rstrip = flag(value, "rstrip", false);
  token.special = flag(value, "special", special);
  token.normalized = flag(value, "normalized", !token.special);
  return token;
}

std::string text_of(const json& value, const std::string& name, const std::filesystem::path& path) {
  if (!value.is_string()) bad_text_file(name + " is not a string" + shown(value), path);
  return value.get<std::string>();
}

/// One template, a list of named ones, or an object of them.
std::map<std::string, std::string> templates_of(const json& value, const std::filesystem::path& path) {
  std::map<std::string, std::string> out;
  if (value.is_object()) {
    for (const auto& [name, text] : value.items())
      out[name] = text_of(text, "the chat template '" + name + "'", path);
  } else if (value.is_array()) {
    for (const json& entry : value) {
      if (!entry.is_object() || !entry.contains("name") || !entry.contains("template"))
        bad_text_file("an entry of chat_template lacks name or template" + shown(entry), path);
      const std::string name = text_of(entry["name"], "the name of a chat template", path);
      out[name] = text_of(entry["template"], "the chat template '" + name + "'", path);
    }
  } else {
    out["default"] = text_of(value, "chat_template", path);
  }
  return out;
}

std::vector<AddedToken> decoder_of(const json& value, const std::filesystem::path& path) {
  if (!value.is_object())
    bad_text_file("added_tokens_decoder is not an object of ids and tokens" + shown(value), path);
  std::vector<AddedToken> out;
  for (const auto& [key, entry] : value.items()) {
    std::int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0 || !entry.is_object() ||
        !is_token(entry))
      bad_text_file("the entry '" + key + "' of added_tokens_decoder is no id with a token" + shown(entry),
                    path);
    out.push_back(token_of(entry, false));
    out.back().id = id;
  }
  std::sort(out.begin(), out.end(), [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  return out;
}

bool is_role(const std::string& key, const json& value) {
  return key == "eos_token" || (key.ends_with("_token") && !value.is_boolean());
}

/// What becomes of a key that names no token.
void add_key(const std::string& key, const json& value, Inventory& inventory) {
  const auto found =
      std::find_if(kSwitches.begin(), kSwitches.end(), [&](const Switch& s) { return s.key == key; });
  if (found != kSwitches.end()) {
    inventory.add(is_off(value) ? Fate::compared : Fate::left_out, "key of tokenizer_config.json", key,
                  is_off(value) ? "" : found->why);
  } else if (value.is_null() || (value.is_structured() && value.empty()) || is_one_of(key, kHarmless)) {
    inventory.add(Fate::compared, "key of tokenizer_config.json", key);
  } else {
    inventory.add(Fate::left_out, "key of tokenizer_config.json", key, "no rule for it is known");
  }
}

}  // namespace

std::string shown(const json& value) {
  constexpr std::size_t kMost = 60;
  return ": " + value.dump(-1, ' ', false, json::error_handler_t::replace).substr(0, kMost);
}

void bad_text_file(const std::string& what, const std::filesystem::path& path) {
  throw_data(what, path.string(), fetch_advice(path));
}

json read_text_json(const std::filesystem::path& path) {
  json root;
  try {
    root = json::parse(read_input_text(path));
  } catch (const json::exception& error) {
    bad_text_file(std::string("not valid JSON: ") + error.what(), path);
  }
  if (!root.is_object()) bad_text_file("not a JSON object" + shown(root), path);
  return root;
}

std::vector<NamedToken> named_tokens(const json& root, const std::filesystem::path& path,
                                     Inventory& inventory) {
  std::vector<NamedToken> out;
  const auto add = [&](const std::string& role, const json& value) {
    if (value.is_null()) return;
    if (is_token(value)) {
      out.push_back({role, token_of(value, true)});
    } else if (role == "eos_token") {
      bad_text_file("eos_token is not a string" + shown(value), path);
    } else {
      inventory.add(Fate::left_out, "key of " + path.filename().string(), role, "its value is no token");
    }
  };
  for (const auto& [key, value] : root.items()) {
    if (is_one_of(key, kLists)) {
      if (is_token(value) || !value.is_structured()) {
        add(key, value);
      } else {
        for (const json& entry : value) add(key, entry);
      }
    } else if (is_role(key, value)) {
      add(key, value);
    }
  }
  return out;
}

TokenizerConfig read_tokenizer_config(const std::filesystem::path& path, Inventory& inventory) {
  TokenizerConfig config;
  config.path = path;
  if (!std::filesystem::exists(path)) return config;
  inventory.add(Fate::used, "file", kFile);
  const json root = read_text_json(path);
  config.named = named_tokens(root, path, inventory);
  for (const auto& [key, value] : root.items()) {
    const bool list = is_one_of(key, kLists);
    if (key == "tokenizer_class" && value.is_string()) {
      config.tokenizer_class = value.get<std::string>();
    } else if (key == "chat_template" && !value.is_null()) {
      config.templates = templates_of(value, path);
    } else if (key == "added_tokens_decoder" && !value.is_null()) {
      config.decoder = decoder_of(value, path);
    } else if (!list && !is_role(key, value)) {
      add_key(key, value, inventory);
      continue;
    }
    inventory.add(Fate::used, "key of tokenizer_config.json", key);
  }
  return config;
}

}  // namespace anemll::text
