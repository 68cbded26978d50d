// What can be wrong before a model has said a word: the template's marks are no tokens of this tokenizer, or
// its distribution over the prompt is far from the one of its own unquantised weights.
#pragma once

#include "anemll/text/chat_template.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/model/decoder.hpp"

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace anemll {

/// A mean divergence above it (nats a token) is garbled text; a model of 2 bits that was trained is below 1.
inline constexpr double kGarbledDivergence = 3;

/// The special tokens that `chat` writes and `tokenizer` cuts into several tokens: none where the two
/// belong together.
std::vector<std::string> foreign_marks(const ChatTemplate& chat, const Tokenizer& tokenizer);

/// The tokens that end an answer in `chat` end a text too, whatever the model's files name.
void add_template_stops(std::set<std::int32_t>& stops, const ChatTemplate& chat, const Tokenizer& tokenizer);

/// Mean over the positions of `ids` of KL(teacher || model) over the whole vocabulary, in fp32. One sequence
/// of at least one token that both models have.
double prompt_divergence(Decoder& teacher, Decoder& model, std::span<const std::int32_t> ids);

}  // namespace anemll
