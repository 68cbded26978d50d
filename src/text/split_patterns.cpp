#include "src/text/internal/split_patterns.hpp"

#include "src/text/internal/match_scanner.hpp"

#include <algorithm>

namespace anemll::text {
namespace {

struct Spelling {
  SplitPattern pattern;
  std::string_view regex;
};

// Possessive quantifiers match the same here: what follows them never takes what they took.
constexpr Spelling kSpellings[] = {
    {SplitPattern::qwen2,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {SplitPattern::qwen2,
     R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"},
    {SplitPattern::llama3,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {SplitPattern::llama3,
     R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"},
    {SplitPattern::gpt2, R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"},
    {SplitPattern::gpt2, R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"},
    {SplitPattern::qwen2_plain,
     R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {SplitPattern::qwen35,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {SplitPattern::any_digits,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {SplitPattern::seed_coder,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {SplitPattern::gpt4o,
     R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {SplitPattern::tekken,
     R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {SplitPattern::deepseek_v3,
     R"re([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re"},
    {SplitPattern::spark,
     R"re([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+)re"},
    {SplitPattern::bloom, " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"},
    {SplitPattern::bloom, " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"},
    {SplitPattern::each_number, R"(\p{N})"},
    {SplitPattern::number_runs, R"(\p{N}+)"},
    {SplitPattern::numbers_by_three, R"(\p{N}{1,3})"},
    {SplitPattern::digits_by_three, R"(\d{1,3}(?=(?:\d{3})*\b))"},
    {SplitPattern::ascii_triples, "[0-9][0-9][0-9]"},
    {SplitPattern::line_ends, R"([\r\n])"},
    {SplitPattern::letter_runs, R"(\s?\p{L}+)"},
    {SplitPattern::punctuation_runs, R"(\s?\p{P}+)"},
    {SplitPattern::white_space_at_end, R"(\s+$)"},
};

std::string without_line_ends(std::string_view regex) {
  std::string out;
  for (const char c : regex) {
    if (c == '\r') {
      out += "\\r";
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

using P = SplitPattern;

// The names and their patterns are those of llama.cpp. Where it comes only near to what the tokenizer itself
// does (digits of deepseek-llm, bytes of falcon), this does what the tokenizer does.
const std::vector<PreTokenizer>& pre_tokenizers() {
  static const std::vector<PreTokenizer> table = [] {
    const std::vector<P> each_digit{P::each_number, P::gpt2};
    const std::vector<P> deepseek_v3{P::numbers_by_three, P::han_and_kana, P::deepseek_v3};
    const std::vector<P> deepseek_llm{P::line_ends,          P::cased_letters,  P::deepseek_signs,
                                      P::white_space_at_end, P::han_and_hangul, P::each_number};
    const std::vector<P> deepseek_coder{P::line_ends, P::letter_runs, P::punctuation_runs, P::han_and_hangul,
                                        P::each_number};
    const std::vector<P> falcon{P::ascii_punctuation_runs, P::gpt2, P::byte_number_runs, P::ascii_triples};
    const std::vector<P> plain{P::old_punctuation_runs, P::gpt2, P::number_runs, P::ascii_triples};
    const std::vector<P> spark{P::numbers_by_three, P::han_and_kana, P::spark, P::each_number};
    // Name, steps, NFC, ignore_merges, begin of text.
    return std::vector<PreTokenizer>{
        {"bailingmoe", {P::qwen2}},
        {"bailingmoe2", {P::qwen2}},
        {"bloom", {P::bloom}},
        {"chatglm-bpe", {P::llama3}},
        {"codeshell", each_digit},
        {"cohere2moe", {P::digits_by_three, P::gpt4o}},
        {"command-r", each_digit, true},
        {"dbrx", {P::llama3}},
        {"deepseek-coder", deepseek_coder},
        {"deepseek-llm", deepseek_llm},
        {"deepseek-r1-qwen", {P::qwen2}, true},
        {"deepseek-v3", deepseek_v3},
        {"default", plain},
        {"exaone", each_digit},
        {"falcon", falcon},
        {"falcon3", {P::llama3}, false, true, true},
        {"glm4", {P::llama3}, false, true},
        {"gpt-2", {P::gpt2}},
        {"gpt-4o", {P::gpt4o}},
        {"gpt3-finnish", {P::bloom}},
        {"grok-2", {P::qwen2}},
        {"hunyuan-dense", deepseek_v3},
        {"joyai-llm", deepseek_v3},
        {"lfm2", {P::llama3}, false, true, true},
        {"llama-bpe", {P::llama3}, false, true, true},
        {"llama-v3", {P::llama3}, false, true, true},
        {"llama3", {P::llama3}, false, true, true},
        {"llama4", {P::gpt4o}},
        {"minerva-7b", each_digit},
        {"minicpm5", {P::numbers_by_three, P::any_digits}, false, true},
        {"minimax-m2", {P::gpt4o}},
        {"mpt", {P::gpt2}, true},
        {"olmo", {P::gpt2}, true},
        {"phi-2", {P::gpt2}},
        {"poro-chat", {P::bloom}},
        {"qwen2", {P::qwen2}, true},
        {"qwen35", {P::qwen35}},  // its published test texts are not normalised
        {"refact", each_digit},
        {"seed-coder", {P::seed_coder}},
        {"smaug-bpe", {P::llama3}},
        {"smollm", each_digit},
        {"spark2_5", spark},
        {"stablelm2", {P::qwen2}, true},
        {"starcoder", each_digit},
        {"tekken", {P::tekken}, false, true, true},
        {"tiny_aya", {P::digits_by_three, P::gpt4o}},
        {"ufakzeka", {P::qwen2_plain}},
        {"viking", {P::bloom, P::each_number}},
    };
  }();
  return table;
}

}  // namespace

std::optional<SplitPattern> pattern_of_regex(std::string_view regex) {
  const std::string plain = without_line_ends(regex);
  for (const Spelling& spelling : kSpellings) {
    if (spelling.regex == plain) return spelling.pattern;
  }
  for (const SplitPattern pattern : {SplitPattern::cased_letters, SplitPattern::deepseek_signs,
                                     SplitPattern::han_and_hangul, SplitPattern::han_and_kana}) {
    if (class_regex(pattern) == plain) return pattern;
  }
  return std::nullopt;
}

const PreTokenizer* find_pre_tokenizer(std::string_view name) {
  const std::vector<PreTokenizer>& table = pre_tokenizers();
  const auto found =
      std::find_if(table.begin(), table.end(), [name](const PreTokenizer& pre) { return pre.name == name; });
  return found == table.end() ? nullptr : &*found;
}

std::string known_pre_tokenizers() {
  std::string out;
  for (const PreTokenizer& pre : pre_tokenizers()) {
    if (!out.empty()) out += ", ";
    out += pre.name;
  }
  return out;
}

}  // namespace anemll::text
