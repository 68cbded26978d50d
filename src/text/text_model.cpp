// Finds and reads what a model says about text: the files of its folder, or the metadata of its GGUF file.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/formats/gguf.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/hash.hpp"
#include "src/text/internal/gguf_text.hpp"
#include "src/text/internal/other_tokenizers.hpp"
#include "src/text/internal/text_files.hpp"
#include "src/text/internal/token_sources.hpp"
#include "src/text/internal/tokenizer_config.hpp"

namespace anemll {
namespace fs = std::filesystem;
namespace {

TextModel load_folder(const fs::path& folder, TokenizerRules rules) {
  const fs::path tokenizer_path = folder / "tokenizer.json";
  if (!fs::is_regular_file(tokenizer_path)) text::fail_without_tokenizer(folder);
  const auto file = MappedFile::open(tokenizer_path);
  const std::string where = tokenizer_path.string();
  Inventory inventory;
  const text::TokenizerConfig config =
      text::read_tokenizer_config(folder / "tokenizer_config.json", inventory);
  TokenizerSpec spec =
      parse_tokenizer_json(input_text(tokenizer_path, file->bytes(), "tokenizer.json"), where);
  inventory.add(Fate::used, "file", "tokenizer.json");
  for (const std::string& key : spec.unread)
    inventory.add(Fate::left_out, "key of tokenizer.json", key, "no rule for it is known");
  for (const std::string& key : spec.of_batches)
    inventory.add(Fate::left_out, "key of tokenizer.json", key,
                  "texts are cut and padded by the options of the program");
  text::compare_slow_files(folder, spec, inventory);
  const text::SettledTokens tokens = text::settle_tokens(folder, config, spec, inventory);
  const bool gpt2 =
      config.tokenizer_class == "GPT2Tokenizer" || config.tokenizer_class == "GPT2TokenizerFast";
  if (rules == TokenizerRules::transformers && gpt2) spec.split = {SplitPattern::gpt2};
  TextModel model{Tokenizer(spec, where), {}, {}, {}};
  model.text_begin = spec.text_begin;
  model.text_end = spec.text_end;
  model.sha256 = sha256_hex(file->bytes());
  if (!tokens.changes.empty()) {
    const std::string all = model.sha256 + '\n' + tokens.changes;
    model.sha256 = sha256_hex(std::string_view(all));
  }
  if (tokens.eos) {
    model.eos_id = model.tokenizer.find(*tokens.eos);
    if (!model.eos_id)
      throw_data("eos_token '" + *tokens.eos + "' is not a token of tokenizer.json", tokens.eos_file.string(),
                 "take both files from the same model: " + fetch_advice(tokens.eos_file));
  }
  text::ChosenTemplate chosen = text::chosen_template(folder, config, inventory);
  model.chat_template = std::move(chosen.jinja);
  model.template_source = std::move(chosen.source);
  text::tell_other_text_files(folder, inventory);
  model.inventory = std::move(inventory);
  return model;
}

}  // namespace

TextModel load_text_model(const fs::path& model, TokenizerRules rules, const GgufFile* opened) {
  if (opened != nullptr) return text_model_from_gguf(*opened);
  std::error_code ignored;
  if (fs::is_directory(model, ignored)) return load_folder(model, rules);
  if (!fs::exists(model, ignored))
    throw_data("no such model: nothing is there", model.string(),
               "look with ls; a model is a folder with tokenizer.json, a .gguf file, or ORG/NAME");
  if (is_gguf(model)) return text_model_from_gguf(read_gguf(model));
  const std::string_view kind = content_name(content_kind(model));
  throw_data(std::string("neither a model folder nor a GGUF file, but ")
                 .append(kind.empty() ? "a file of another kind" : kind),
             model.string(), "give a folder with tokenizer.json, a .gguf file, or ORG/NAME");
}

std::optional<TextModel> find_text_model(const fs::path& model, const GgufFile* opened) {
  std::error_code ignored;
  const bool is_folder = opened == nullptr && fs::is_directory(model, ignored);
  if (is_folder && !fs::exists(model / "tokenizer.json", ignored)) return std::nullopt;
  try {
    return load_text_model(model, TokenizerRules::as_written, opened);
  } catch (const Error& e) {
    log_warning(std::string("tokens are not compared: ") + e.what());
    return std::nullopt;
  }
}

}  // namespace anemll
