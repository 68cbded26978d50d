// Finds and reads what a model says about text: the files of its folder, or the metadata of its GGUF file.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/hash.hpp"
#include "anemll/formats/gguf.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/text/gguf_text.hpp"
#include "src/text/utf8.hpp"

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

std::string_view view(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct TextConfig {
  std::string chat_template;
  std::optional<std::string> eos_token;
  std::string tokenizer_class;
};

[[noreturn]] void bad_config(const std::string& what, const fs::path& path) {
  throw_data(what, path.string(), "get the file again from where the model came");
}

std::string text_of(const json& value, const std::string& name, const fs::path& path) {
  if (!value.is_string()) bad_config(name + " is not a string", path);
  return value.get<std::string>();
}

/// One template, or the one that is called default out of a list of named ones.
std::string template_of(const json& value, const fs::path& path) {
  if (!value.is_array()) return text_of(value, "chat_template", path);
  for (const json& entry : value) {
    if (!entry.is_object() || !entry.contains("name") || !entry.contains("template"))
      bad_config("an entry of chat_template lacks name or template", path);
    if (text_of(entry["name"], "the name of a chat template", path) == "default")
      return text_of(entry["template"], "the chat template 'default'", path);
  }
  return {};
}

TextConfig read_config(const fs::path& path) {
  json root;
  try {
    root = json::parse(view(MappedFile::open(path)->bytes()));
  } catch (const json::exception& error) {
    bad_config(std::string("not valid JSON: ") + error.what(), path);
  }
  if (!root.is_object()) bad_config("not a JSON object", path);
  TextConfig config;
  if (const auto eos = root.find("eos_token"); eos != root.end() && !eos->is_null()) {
    const bool is_object = eos->is_object() && eos->contains("content");
    config.eos_token = text_of(is_object ? (*eos)["content"] : *eos, "eos_token", path);
  }
  if (const auto name = root.find("tokenizer_class"); name != root.end() && name->is_string())
    config.tokenizer_class = name->get<std::string>();
  if (const auto jinja = root.find("chat_template"); jinja != root.end() && !jinja->is_null())
    config.chat_template = template_of(*jinja, path);
  return config;
}

TextModel load_folder(const fs::path& folder, TokenizerRules rules) {
  const fs::path tokenizer_path = folder / "tokenizer.json";
  if (!fs::is_regular_file(tokenizer_path))
    throw_data("the model folder has no tokenizer.json", folder.string(),
               "copy tokenizer.json and tokenizer_config.json of the model into it");
  const auto file = MappedFile::open(tokenizer_path);
  const std::string where = tokenizer_path.string();
  const fs::path config_path = folder / "tokenizer_config.json";
  TextConfig config;
  if (fs::exists(config_path)) config = read_config(config_path);
  TokenizerSpec spec = parse_tokenizer_json(view(file->bytes()), where);
  const bool gpt2 =
      config.tokenizer_class == "GPT2Tokenizer" || config.tokenizer_class == "GPT2TokenizerFast";
  if (rules == TokenizerRules::transformers && gpt2) spec.split = SplitPattern::gpt2;
  TextModel model{Tokenizer(std::move(spec), where), {}, {}, {}};
  model.sha256 = sha256_hex(file->bytes());
  if (config.eos_token) {
    model.eos_id = model.tokenizer.find(*config.eos_token);
    if (!model.eos_id)
      throw_data("eos_token '" + *config.eos_token + "' is not a token of tokenizer.json",
                 config_path.string(), "take both files from the same model");
  }
  model.chat_template = std::move(config.chat_template);
  // Newer models keep the template in a file of its own, which wins.
  const fs::path template_path = folder / "chat_template.jinja";
  if (fs::exists(template_path)) model.chat_template = read_text(template_path);
  if (text::first_bad_utf8(model.chat_template) != std::string::npos)
    throw_data("the chat template is not UTF-8", template_path.string(),
               "get the file again from where the model came");
  return model;
}

}  // namespace

TextModel load_text_model(const fs::path& model, TokenizerRules rules) {
  std::error_code ignored;
  if (fs::is_directory(model, ignored)) return load_folder(model, rules);
  if (!fs::exists(model, ignored))
    throw_data("no such model", model.string(), "give a folder with tokenizer.json, or a .gguf file");
  if (model.extension() == ".gguf" || is_gguf(model)) return text_model_from_gguf(model);
  throw_data("neither a model folder nor a GGUF file", model.string(),
             "give a folder with tokenizer.json, or a .gguf file");
}

}  // namespace anemll
