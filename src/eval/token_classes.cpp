#include "src/eval/internal/token_classes.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace anemll {
namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kCodeSigns = "{}[]<>=;_\\|&*#$^~`";
constexpr std::string_view kBlanks = " \t\r\n";

bool indents(std::string_view token) {
  if (token.find_first_not_of(kBlanks) != std::string_view::npos) return false;
  return token.find('\t') != std::string_view::npos || token.find("  ") != std::string_view::npos;
}

TokenClass class_of(std::string_view token, bool late) {
  if (token.empty()) return TokenClass::other;
  if (token.find_first_of(kDigits) != std::string_view::npos) return TokenClass::digits;
  if (token.find_first_of(kCodeSigns) != std::string_view::npos || indents(token)) return TokenClass::code;
  return late ? TokenClass::rare : TokenClass::other;
}

}  // namespace

TokenClass TokenClasses::of(std::int32_t id) {
  if (const auto found = known_.find(id); found != known_.end()) return found->second;
  TokenClass result = TokenClass::other;
  if (id >= 0 && id < tokenizer_.size()) {
    const std::string token = tokenizer_.bytes(std::span(&id, 1), /*skip_special_tokens=*/true);
    result = class_of(token, id >= tokenizer_.size() / 2);
  }
  return known_.emplace(id, result).first->second;
}

}  // namespace anemll
