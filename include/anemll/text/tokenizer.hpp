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

/// One step of cutting a text into pieces before merging. The first ones cut everything, the others take what
/// they match out of the text. README.md of src/text names the tokenizers that have them.
enum class SplitPattern : std::uint8_t {
  gpt2,              ///< GPT-2: words with a space before them, runs of digits, runs of signs
  qwen2,             ///< Qwen2 and Qwen3: every digit alone, signs take the line ends after them
  qwen2_plain,       ///< the same without English contractions
  qwen35,            ///< the same as qwen2 with marks as parts of words
  llama3,            ///< the same as qwen2 with up to three digits together
  any_digits,        ///< the same as qwen2 with any number of digits together
  seed_coder,        ///< the same as qwen2, signs without line ends
  gpt4o,             ///< words cut before capitals, contractions at their ends, up to three digits
  tekken,            ///< the same without contractions, every digit alone
  deepseek_v3,       ///< words with marks, signs, white space; numbers and controls are left between
  spark,             ///< the same, every line end alone
  bloom,             ///< everything but white space, brackets and some signs, with a space before it
  each_number,       ///< every digit and other number alone
  number_runs,       ///< all numbers that stand together
  numbers_by_three,  ///< up to three of them, from the left
  digits_by_three,   ///< up to three digits, from the right, where no word goes on behind them
  ascii_triples,     ///< three of 0 to 9
  each_byte_number,  ///< each_number of the byte alphabet, in which some parts of characters are numbers
  byte_number_runs,  ///< number_runs of the same
  line_ends,         ///< every CR and LF alone
  letter_runs,       ///< letters with a white space before them
  punctuation_runs,  ///< the same with punctuation
  ascii_punctuation_runs,  ///< punctuation and ASCII signs, without white space
  old_punctuation_runs,    ///< the same, the grave accent is none
  cased_letters,           ///< letters of scripts with case, with a white space before them
  deepseek_signs,          ///< signs of ASCII and of East Asia, with a white space before them
  white_space_at_end,      ///< white space before the end of a line or of the text
  han_and_hangul,          ///< U+0800 to U+9FA5 and Hangul syllables
  han_and_kana,            ///< Han, Hiragana and Katakana
};

struct AddedToken {
  std::int32_t id = 0;
  std::string content;   ///< UTF-8, cut out of the text
  bool special = false;  ///< left out by decode when asked to skip special tokens
  bool normalized =
      false;  ///< looked for in the normalised text, after those that are looked for in the raw one
  bool single_word = false;  ///< not where a word goes on before or after it
  bool lstrip = false;       ///< takes the white space before it
  bool rstrip = false;       ///< takes the white space after it

  bool operator==(const AddedToken&) const = default;
};

/// What a tokenizer is made of, whatever file it came from.
struct TokenizerSpec {
  /// id -> token in the byte-level alphabet; empty for ids that only added tokens use.
  std::vector<std::string> vocabulary;
  std::vector<std::pair<std::string, std::string>> merges;  ///< best rank first
  std::vector<AddedToken> added;
  bool nfc = false;
  bool ignore_merges = false;  ///< a piece that is in the vocabulary is one token
  /// One after the other: each cuts the pieces of the one before. Without any a text is one piece.
  std::vector<SplitPattern> split = {SplitPattern::qwen2};
  /// Ids that the tokenizer's post-processor puts before and after a text when it is asked for special
  /// tokens. `encode` never puts them.
  std::vector<std::int32_t> text_begin = {};
  std::vector<std::int32_t> text_end = {};
  /// Keys of the file that no rule reads ("model.strange"); the Python library takes no heed of them either.
  std::vector<std::string> unread = {};
  /// Keys of the file that say how batches are made ("truncation"); ids do not depend on them.
  std::vector<std::string> of_batches = {};
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
  /// TokenizerSpec::text_begin and text_end: a begin of text, as Llama 3 has one. Chat templates write their
  /// own.
  std::vector<std::int32_t> text_begin = {};
  std::vector<std::int32_t> text_end = {};
  std::string template_source = {};  ///< names the file of chat_template (and its key) in messages
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

/// The same for one who can do without: nothing where the model has no tokenizer, or one that cannot be read,
/// which a warning tells.
std::optional<TextModel> find_text_model(const std::filesystem::path& model, const GgufFile* opened);

}  // namespace anemll
