// Byte-level BPE tokenizers: text to token ids and back, equal to the Python tokenizers library on the
// components that it knows. Objects are immutable: any number of threads may use one.
#pragma once

#include "anemll/core/inventory.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace anemll {

struct GgufFile;

/// How text is cut into pieces before merging.
enum class SplitPattern {
  qwen2,        ///< the Qwen2 and Qwen3 pattern
  gpt2,         ///< the GPT-2 pattern
  gpt2_digits,  ///< every digit alone first, then the GPT-2 pattern (SmolLM2)
};

struct AddedToken {
  std::int32_t id = 0;
  std::string content;   ///< UTF-8, cut out of the text
  bool special = false;  ///< left out by decode when asked to skip special tokens
  bool normalized =
      false;  ///< looked for in the normalised text, after those that are looked for in the raw one
};

/// What a tokenizer is made of, whatever file it came from.
struct TokenizerSpec {
  /// id -> token in the byte-level alphabet; empty for ids that only added tokens use.
  std::vector<std::string> vocabulary;
  std::vector<std::pair<std::string, std::string>> merges;  ///< best rank first
  std::vector<AddedToken> added;
  bool nfc = false;
  bool ignore_merges = false;  ///< a piece that is in the vocabulary is one token
  SplitPattern split = SplitPattern::qwen2;
  /// Keys of the file that no rule reads ("model.strange"); the Python library takes no heed of them either.
  std::vector<std::string> unread = {};
};

/// The components of a tokenizer.json, which `where` names in messages. A component that is not known is a
/// data error with its name.
TokenizerSpec parse_tokenizer_json(std::string_view json, const std::string& where);

class Tokenizer {
 public:
  /// Duplicate tokens, merges of unknown tokens and ids out of order are data errors that name `where`.
  Tokenizer(const TokenizerSpec& spec, const std::string& where);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// Appends the ids of `text`, without special tokens of its own. `text` must be UTF-8: a data error names
  /// the offset of the first bad byte.
  void encode(std::string_view text, std::vector<std::int32_t>& ids) const;
  std::vector<std::int32_t> encode(std::string_view text) const;
  /// Bytes that are not UTF-8 become U+FFFD. Ids outside the vocabulary are a data error.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens = false) const;
  /// The bytes that `decode` puts together, as they are: those of one token may be a part of a character.
  std::string bytes(std::span<const std::int32_t> ids, bool skip_special_tokens = false) const;
  std::optional<std::int32_t> find(std::string_view token) const;
  /// The largest id plus one, added tokens counted.
  std::int64_t size() const;

 private:
  struct Impl;
  std::unique_ptr<const Impl> impl_;
};

/// The first place in `ids` whose id is none of 0 to count - 1; nothing where all are.
std::optional<std::size_t> find_foreign_id(std::span<const std::int32_t> ids, std::int64_t count);

/// Everything of a model that concerns text.
struct TextModel {
  Tokenizer tokenizer;
  std::string chat_template;           ///< Jinja text, empty when the model has none
  std::optional<std::int32_t> eos_id;  ///< eos_token of tokenizer_config.json (or of the GGUF metadata)
  std::string sha256;                  ///< of tokenizer.json (and what other files change of its tokens), or
                                       ///< of the GGUF's tokenizer metadata
  Inventory inventory = {};            ///< files, keys and tokens and their fates; for the caller to tell
};

/// How a tokenizer.json is taken.
enum class TokenizerRules {
  as_written,
  /// As version 5 of the Python transformers library builds a GPT2Tokenizer: with the plain GPT-2 pattern,
  /// whatever digit rule the file has ("\n\n1" then splits between the line ends).
  transformers,
};

/// `model`: a model folder (tokenizer.json, and what tokenizer_config.json, added_tokens.json,
/// special_tokens_map.json and the template files say) or a .gguf file. Data errors name the file and the
/// remedy; so do files that contradict each other over a token. `opened`: the .gguf file where somebody has
/// parsed it already; it is not opened again then.
TextModel load_text_model(const std::filesystem::path& model,
                          TokenizerRules rules = TokenizerRules::as_written,
                          const GgufFile* opened = nullptr);

}  // namespace anemll
