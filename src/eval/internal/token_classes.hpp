// What kind of token is to be predicted: models lose some kinds sooner than others.
#pragma once

#include "anemll/core/choices.hpp"
#include "anemll/text/tokenizer.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <span>

namespace anemll {

/// Each token has one class, the first that fits.
enum class TokenClass {
  digits,  ///< some of it is a digit
  code,    ///< signs that prose has not, or white space that indents
  rare,    ///< of the later half of the vocabulary: merges are learnt in the order of their frequency
  other,   ///< the rest, special tokens included
};
inline constexpr auto kTokenClasses = std::to_array<Choice<TokenClass>>({
    {TokenClass::digits, "digits"},
    {TokenClass::code, "code"},
    {TokenClass::rare, "rare"},
    {TokenClass::other, "other"},
});
constexpr std::span<const Choice<TokenClass>> choices_of(TokenClass) {
  return kTokenClasses;
}

class TokenClasses {
 public:
  /// `tokenizer` outlives this.
  explicit TokenClasses(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  TokenClass of(std::int32_t id);

 private:
  const Tokenizer& tokenizer_;
  std::map<std::int32_t, TokenClass> known_;
};

}  // namespace anemll
