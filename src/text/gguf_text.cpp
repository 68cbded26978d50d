#include "src/text/internal/gguf_text.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/hash.hpp"
#include "src/core/one_of.hpp"
#include "src/text/internal/other_tokenizers.hpp"
#include "src/text/internal/split_patterns.hpp"
#include "src/text/utf8.hpp"

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

namespace anemll {
namespace {

constexpr const char* kModel = "tokenizer.ggml.model";
constexpr const char* kPre = "tokenizer.ggml.pre";
constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kTypes = "tokenizer.ggml.token_type";
constexpr const char* kMerges = "tokenizer.ggml.merges";
constexpr const char* kBos = "tokenizer.ggml.bos_token_id";
constexpr const char* kEos = "tokenizer.ggml.eos_token_id";
constexpr const char* kTemplate = "tokenizer.chat_template";

/// Every program takes the folder as its model; two can take it beside the weights of the file.
constexpr const char* kFolder =
    "give the model's folder with tokenizer.json in place of the .gguf file; anemll_infer takes it beside "
    "the file (--model-id FOLDER), and so does anemll_eval (--tokenizer FOLDER)";

/// Kinds of tokens in tokenizer.ggml.token_type.
constexpr std::int64_t kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5;

std::string kind_of(const GgufValue& value) {
  constexpr std::array kNames{"a natural number",  "an integer",     "a number with a fraction",
                              "true or false",     "a text",         "a list of integers",
                              "a list of numbers", "a list of texts"};
  static_assert(kNames.size() == std::variant_size_v<GgufValue>);
  return kNames[value.index()];
}

class Reader {
 public:
  explicit Reader(const GgufFile& file) : file_(file) {}

  TokenizerSpec spec() const {
    if (const std::string& model = required<std::string>(kModel, "a text"); model != "gpt2") {
      const bool pieces = model == "llama" || model == "t5";
      fail(kModel,
           "the tokenizer \"" + model + "\"" + (pieces ? ", which is SentencePiece," : "") +
               " is not supported",
           text::kByteLevelModel);
    }
    constexpr const char* kSpace = "tokenizer.ggml.add_space_prefix";
    if (const bool* flag = find<bool>(kSpace, "true or false"); flag != nullptr && *flag) {
      fail(kSpace, "it is true: a tokenizer that puts a space before every text is not supported",
           text::kByteLevelModel);
    }
    TokenizerSpec spec;
    const text::PreTokenizer& pre = pre_tokenizer();
    spec.split = pre.split;
    spec.nfc = pre.nfc;
    spec.ignore_merges = pre.ignore_merges;
    read_tokens(spec);
    read_merges(spec);
    spec.text_begin = around(kBos, "tokenizer.ggml.add_bos_token", pre.begins_text, spec);
    spec.text_end = around(kEos, "tokenizer.ggml.add_eos_token", false, spec);
    return spec;
  }

  std::string chat_template() const {
    const auto* text = find<std::string>(kTemplate, "a text");
    if (text == nullptr) return {};
    if (text::first_bad_utf8(*text) != std::string::npos)
      fail(kTemplate, strf("byte %zu of the chat template is not UTF-8", text::first_bad_utf8(*text)),
           damaged());
    return *text;
  }

  std::optional<std::int32_t> eos_id(std::int64_t size) const { return token_id(kEos, size); }

  /// Every key of the tokenizer that no function above reads and that is more than the id of a token.
  Inventory inventory() const {
    constexpr std::array kRead{kModel, kPre, kTokens, kTypes, kMerges, kBos, kEos, kTemplate};
    // Scores are for other models than BPE; flags of what is added speak of special tokens, which encode
    // never adds, or were refused.
    constexpr std::array<std::string_view, 8> kHarmless{"tokenizer.ggml.scores",
                                                        "tokenizer.ggml.add_bos_token",
                                                        "tokenizer.ggml.add_eos_token",
                                                        "tokenizer.ggml.add_sep_token",
                                                        "tokenizer.ggml.add_space_prefix",
                                                        "tokenizer.ggml.token_type_count",
                                                        "tokenizer.ggml.remove_extra_whitespaces",
                                                        "tokenizer.chat_templates"};
    Inventory out;
    for (const auto& [key, value] : file_.metadata) {
      if (!key.starts_with("tokenizer.")) continue;
      if (is_one_of(key, kRead)) {
        out.add(Fate::used, "key", key);
      } else if (key.ends_with("_token_id") || is_one_of(key, kHarmless)) {
        out.add(Fate::compared, "key", key);
      } else if (key.starts_with(std::string(kTemplate) + ".")) {
        out.add(Fate::left_out, "chat template", key, "only the one without a name is used");
      } else {
        out.add(Fate::left_out, "key", key, "no rule for it is known");
      }
    }
    return out;
  }

  std::string sha256() const {
    Sha256 hash;
    const auto number = [&hash](auto value) { hash.update(std::as_bytes(std::span(&value, 1))); };
    const auto text = [&](std::string_view value) {
      number(std::uint64_t{value.size()});
      hash.update(value);
    };
    for (const auto& [key, value] : file_.metadata) {
      if (!key.starts_with("tokenizer.")) continue;
      text(key);
      number(std::uint64_t{value.index()});
      std::visit(
          [&](const auto& content) {
            using Content = std::decay_t<decltype(content)>;
            if constexpr (std::is_arithmetic_v<Content>) {
              number(content);
            } else if constexpr (std::is_same_v<Content, std::string>) {
              text(content);
            } else if constexpr (std::is_same_v<Content, std::vector<std::string>>) {
              number(std::uint64_t{content.size()});
              for (const std::string& item : content) text(item);
            } else {
              number(std::uint64_t{content.size()});
              hash.update(std::as_bytes(std::span(content)));
            }
          },
          value);
    }
    return hash.finish_hex();
  }

 private:
  std::string damaged() const {
    return "the file is damaged; convert the original model again (convert_hf_to_gguf.py of llama.cpp), or " +
           fetch_advice(file_.path);
  }

  [[noreturn]] void fail(const char* key, const std::string& what, const std::string& hint) const {
    throw_data(what, file_.path.string() + ", key \"" + key + "\"", hint);
  }

  template <typename T>
  const T* find(const char* key, const char* kind) const {
    const GgufValue* value = file_.find(key);
    if (value == nullptr) return nullptr;
    const T* content = std::get_if<T>(value);
    if (content == nullptr) fail(key, std::string("not ") + kind + ", but " + kind_of(*value), damaged());
    return content;
  }
  template <typename T>
  const T& required(const char* key, const char* kind) const {
    const T* content = find<T>(key, kind);
    if (content == nullptr) {
      fail(key, "the key is missing",
           std::string("convert the model again with a current convert_hf_to_gguf.py of llama.cpp, or ") +
               kFolder);
    }
    return *content;
  }

  const text::PreTokenizer& pre_tokenizer() const {
    const auto& name = required<std::string>(kPre, "a text");
    if (const text::PreTokenizer* pre = text::find_pre_tokenizer(name)) return *pre;
    fail(kPre, "the pre-tokenizer \"" + name + "\" is not supported",
         std::string(kFolder) + "; known here: " + text::known_pre_tokenizers());
  }

  std::optional<std::int32_t> token_id(const char* key, std::int64_t size) const {
    const GgufValue* value = file_.find(key);
    if (value == nullptr) return std::nullopt;
    const auto* natural = std::get_if<std::uint64_t>(value);  // converters write u32, some i32
    const auto* integer = std::get_if<std::int64_t>(value);
    if (natural == nullptr && integer == nullptr)
      fail(key, "not a number, but " + kind_of(*value), damaged());
    const std::uint64_t id = natural != nullptr ? *natural : static_cast<std::uint64_t>(*integer);
    if (id >= static_cast<std::uint64_t>(size))
      fail(key,
           strf("the id %lld is outside the vocabulary of %lld tokens", static_cast<long long>(id),
                static_cast<long long>(size)),
           damaged());
    return static_cast<std::int32_t>(id);
  }

  /// The token of `key` where the flag asks for it around every text.
  std::vector<std::int32_t> around(const char* key, const char* flag_key, bool absent,
                                   const TokenizerSpec& spec) const {
    const bool* flag = find<bool>(flag_key, "true or false");
    if (!(flag != nullptr ? *flag : absent)) return {};
    const auto id = token_id(key, static_cast<std::int64_t>(spec.vocabulary.size()));
    return id ? std::vector<std::int32_t>{*id} : std::vector<std::int32_t>{};
  }

  void read_tokens(TokenizerSpec& spec) const {
    const auto& tokens = required<std::vector<std::string>>(kTokens, "a list of texts");
    const auto& types = required<std::vector<std::int64_t>>(kTypes, "a list of numbers");
    if (types.size() != tokens.size()) {
      fail(kTypes, strf("%zu entries for %zu tokens", types.size(), tokens.size()), damaged());
    }
    spec.vocabulary.resize(tokens.size());
    for (std::size_t id = 0; id < tokens.size(); ++id) {
      if (types[id] == kUnused) continue;  // fills the embedding up to a round number
      spec.vocabulary[id] = tokens[id];
      if (types[id] == kNormal) continue;
      if (types[id] != kControl && types[id] != kUserDefined && types[id] != kUnknown) {
        fail(kTypes, strf("token %zu is of the unknown kind %lld", id, static_cast<long long>(types[id])),
             "byte-level tokenizers have the kinds 1 to 5; " + damaged());
      }
      spec.added.push_back(
          {.id = static_cast<std::int32_t>(id), .content = tokens[id], .special = types[id] != kUserDefined});
    }
    // What follows the last token is no part of the tokenizer, as in the folder's tokenizer.json.
    while (!spec.vocabulary.empty() && spec.vocabulary.back().empty()) spec.vocabulary.pop_back();
  }

  void read_merges(TokenizerSpec& spec) const {
    const auto& merges = required<std::vector<std::string>>(kMerges, "a list of texts");
    spec.merges.reserve(merges.size());
    for (std::size_t rank = 0; rank < merges.size(); ++rank) {
      const std::string& merge = merges[rank];
      const std::size_t space = merge.find(' ');
      if (space == std::string::npos || space == 0 || space + 1 == merge.size() ||
          merge.find(' ', space + 1) != std::string::npos) {
        fail(kMerges, strf("entry %zu is not a pair of tokens: %s", rank, merge.c_str()), damaged());
      }
      spec.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
    }
  }

  const GgufFile& file_;
};

}  // namespace

TextModel text_model_from_gguf(const GgufFile& file) {
  const Reader reader(file);
  const TokenizerSpec spec = reader.spec();
  TextModel model{Tokenizer(spec, file.path.string()), reader.chat_template(), {}, reader.sha256()};
  model.text_begin = spec.text_begin;
  model.text_end = spec.text_end;
  model.eos_id = reader.eos_id(model.tokenizer.size());
  model.inventory = reader.inventory();
  model.template_source = file.path.string();
  if (!model.chat_template.empty()) model.template_source += std::string(", key \"") + kTemplate + "\"";
  return model;
}

}  // namespace anemll
