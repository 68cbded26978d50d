// libFuzzer entry for the text room. The first byte of an input chooses:
//   J   tokenizer.json up to a zero byte, then a text for it
//   C   a chat template's Jinja text
//   S   one byte that chooses a split pattern or a known sequence of them, then a text
//   else a text for three fixed tokenizers, which must come back from its ids
#include "anemll/core/error.hpp"
#include "anemll/text/chat_template.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/text/internal/byte_alphabet.hpp"
#include "src/text/internal/nfc.hpp"
#include "src/text/internal/split_patterns.hpp"
#include "src/text/internal/splitter.hpp"
#include "src/text/utf8.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace anemll;

template <class Action>
void run_or_data_error(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    if (error.code() != ExitCode::data || error.hint().empty()) std::abort();
  }
}

/// The pieces of every pattern are the text, none of them is empty, and their number is bounded by it.
void check_split(std::string_view input) {
  if (input.empty()) return;
  constexpr auto kPatterns = static_cast<unsigned char>(SplitPattern::han_and_kana) + 1;
  const auto choice = static_cast<unsigned char>(input[0]);
  const std::string_view text = input.substr(1);
  if (text::first_bad_utf8(text) != std::string_view::npos) return;
  std::vector<SplitPattern> steps{static_cast<SplitPattern>(choice % kPatterns)};
  constexpr std::array<std::string_view, 6> kNames{"deepseek-llm", "deepseek-coder", "deepseek-v3",
                                                   "falcon",       "cohere2moe",     "default"};
  if (choice >= 4 * kPatterns) steps = text::find_pre_tokenizer(kNames[choice % kNames.size()])->split;
  text::Splitter splitter(steps, text);
  const char* at = text.data();
  for (std::string_view piece = splitter.next(); !piece.empty(); piece = splitter.next()) {
    if (piece.data() != at) std::abort();
    at += piece.size();
  }
  if (at != text.data() + text.size()) std::abort();
}

Tokenizer fixed(std::vector<SplitPattern> split, bool nfc) {
  TokenizerSpec spec;
  for (unsigned byte = 0; byte < 256; ++byte)
    spec.vocabulary.push_back(text::spell_byte(static_cast<unsigned char>(byte)));
  for (const auto& [left, right] : {std::pair("a", "a"), std::pair("aa", "aa"), std::pair("e", "\u0120"),
                                    std::pair("\u0120", "\u0120"), std::pair("\u0120\u0120", "a")}) {
    spec.merges.emplace_back(left, right);
    spec.vocabulary.push_back(std::string(left) + right);
  }
  const auto next = static_cast<std::int32_t>(spec.vocabulary.size());
  spec.added = {
      {next, "<a>", true, false}, {next + 1, "<a>b", false, false}, {next + 2, "\u00e9|", false, true}};
  spec.split = std::move(split);
  spec.nfc = nfc;
  return Tokenizer(std::move(spec), "fixed");
}

void check_text(std::string_view text) {
  static const std::array<Tokenizer, 3> tokenizers = {
      fixed({SplitPattern::qwen2}, true), fixed({SplitPattern::gpt2}, false),
      fixed({SplitPattern::each_number, SplitPattern::gpt2}, false)};
  for (const Tokenizer& tokenizer : tokenizers) {
    run_or_data_error([&] {
      const std::string back = tokenizer.decode(tokenizer.encode(text));
      // Normalisation stops at added tokens, and the third of them has a byte of its own in the alphabet.
      const bool has_added =
          text.find("<a>") != std::string_view::npos || text.find('|') != std::string_view::npos;
      std::string buffer;
      const bool normal = &tokenizer == &tokenizers[0];
      if (!has_added && back != (normal ? anemll::text::to_nfc(text, buffer) : text)) std::abort();
    });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'J') {
    const std::string_view json = input.substr(0, input.find('\0'));
    const std::string_view text = input.substr(std::min(json.size() + 1, input.size()));
    run_or_data_error([&] {
      const Tokenizer tokenizer(parse_tokenizer_json(json, "input"), "input");
      tokenizer.find(text);
      tokenizer.decode(tokenizer.encode(text));
    });
  } else if (data[0] == 'S') {
    check_split(input);
  } else if (data[0] == 'C') {
    run_or_data_error([&] { ChatTemplate::recognise(input, "input"); });
    const std::string stripped = strip_thinking(input);
    if (stripped.size() > input.size()) std::abort();
    const ChatTemplate qwen3(ChatFormat::qwen3);
    qwen3.render({{"user", stripped, ""}, {"assistant", std::string(input), ""}, {"tool", stripped, ""}},
                 false, true);
  } else {
    check_text(input);
  }
  return 0;
}
