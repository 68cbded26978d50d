// Whether two tokenizers mean the same by an id. Files of one tokenizer differ in form (a GGUF file has none
// of its own, later versions of a library write another one), and a model gives a few ids new names; so a few
// ids of all are looked at, and most decide.
#pragma once

#include "anemll/text/tokenizer.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anemll {

/// Empty for an id that no token has. GGUF converters fill such ids with a text of their own.
std::string token_text(const Tokenizer& tokenizer, std::int32_t id);

struct TokenSample {
  std::int32_t id = 0;
  std::string text;  ///< UTF-8
  bool operator==(const TokenSample&) const = default;
};

/// Up to 64 tokens that lie evenly among all ids. Tokens that are a part of a character are left out.
std::vector<TokenSample> token_samples(const Tokenizer& tokenizer);

/// The first of `samples` that is another token of `tokenizer`, where fewer than half of them are the same
/// ones: then the ids are another family's. Ids that `tokenizer` has no token for are not counted.
std::optional<TokenSample> foreign_sample(std::span<const TokenSample> samples, const Tokenizer& tokenizer);

}  // namespace anemll
