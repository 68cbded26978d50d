// See token_samples.hpp.
#include "src/text/token_samples.hpp"

#include "anemll/core/error.hpp"

#include <cstddef>

namespace anemll {

std::string token_text(const Tokenizer& tokenizer, std::int32_t id) {
  try {
    const std::string text = tokenizer.decode({&id, 1});
    return text == "[PAD" + std::to_string(id) + "]" ? std::string() : text;
  } catch (const Error&) {
    return {};
  }
}

std::vector<TokenSample> token_samples(const Tokenizer& tokenizer) {
  constexpr std::int64_t kSamples = 64;
  constexpr std::string_view kReplaced = "\xEF\xBF\xBD";  // what decode writes for a part of a character
  std::vector<TokenSample> samples;
  std::int32_t last = -1;
  for (std::int64_t i = 0; i < kSamples; ++i) {
    const auto id = static_cast<std::int32_t>((2 * i + 1) * tokenizer.size() / (2 * kSamples));
    if (id == last) continue;
    last = id;
    std::string text = token_text(tokenizer, id);
    if (text.empty() || text.find(kReplaced) != std::string::npos) continue;
    samples.push_back({id, std::move(text)});
  }
  return samples;
}

std::optional<TokenSample> foreign_sample(std::span<const TokenSample> samples, const Tokenizer& tokenizer) {
  std::optional<TokenSample> first;
  std::size_t same = 0, other = 0;
  for (const TokenSample& sample : samples) {
    const std::string text = token_text(tokenizer, sample.id);
    if (text.empty()) continue;
    ++(text == sample.text ? same : other);
    if (text != sample.text && !first) first = sample;
  }
  return same < other ? first : std::nullopt;
}

}  // namespace anemll
