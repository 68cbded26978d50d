// Which split patterns a tokenizer.json or the name in a GGUF file stands for. What is not in these tables is
// refused by the reader of the file. Pure, any thread.
#pragma once

#include "anemll/text/tokenizer.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace anemll::text {

/// The pattern with this regular expression; CR and LF in it may stand as themselves or as \r and \n.
std::optional<SplitPattern> pattern_of_regex(std::string_view regex);

/// How tokenizer.ggml.pre is taken: the split pattern and, silently, the normalisation and more.
struct PreTokenizer {
  std::string_view name;
  std::vector<SplitPattern> split;
  bool nfc = false;
  bool ignore_merges = false;
  bool begins_text = false;  ///< with the token for the begin of a text, unless the file says otherwise
};
const PreTokenizer* find_pre_tokenizer(std::string_view name);
/// "command-r, default, ...", for messages.
std::string known_pre_tokenizers();

}  // namespace anemll::text
