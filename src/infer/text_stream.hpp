// Tokens to text as they come: a character appears when all of its bytes are there.
#pragma once

#include "anemll/text/tokenizer.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace anemll {

class TextStream {
 public:
  /// `tokenizer` outlives the stream.
  explicit TextStream(const Tokenizer& tokenizer, bool skip_special_tokens = true)
      : tokenizer_(tokenizer), skip_special_tokens_(skip_special_tokens) {}

  /// The text that this token completes; empty while a character lacks bytes. All parts and `finish()` give
  /// the text of Tokenizer::decode. An id above the vocabulary (models pad theirs) is U+FFFD.
  std::string push(std::int32_t id);
  /// What was held back: an unfinished character is U+FFFD.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_tokens_;
  std::string held_;
};

/// A model may say what a terminal takes for a command: control characters as \xNN, but lines and tabulators.
std::string fit_for_terminal(std::string_view text);

}  // namespace anemll
