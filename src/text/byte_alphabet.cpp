#include "src/text/internal/byte_alphabet.hpp"

#include "src/text/utf8.hpp"

#include <array>
#include <cstdint>

namespace anemll::text {
namespace {

// Printable Latin-1 bytes stand for themselves; the 68 others are U+0100 and up in their order.
constexpr bool stands_for_itself(unsigned byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
}

constexpr unsigned kOthers = 68;

constexpr std::array<char, kOthers> others() {
  std::array<char, kOthers> bytes{};
  std::size_t count = 0;
  for (unsigned byte = 0; byte < 256; ++byte) {
    if (!stands_for_itself(byte)) bytes[count++] = static_cast<char>(static_cast<unsigned char>(byte));
  }
  return bytes;
}
constexpr std::array<char, kOthers> kOtherBytes = others();

}  // namespace

bool append_spelled_bytes(std::string_view token, std::string& out) {
  const std::size_t before = out.size();
  const char* const end = token.data() + token.size();
  for (const char* at = token.data(); at < end;) {
    const CodePoint code = code_point_at(at);
    if (code.value < 256 && stands_for_itself(code.value)) {
      out += static_cast<char>(static_cast<unsigned char>(code.value));
    } else if (code.value >= 256 && code.value < 256 + kOthers) {
      out += kOtherBytes[code.value - 256];
    } else {
      out.resize(before);
      return false;
    }
    at += code.bytes;
  }
  return true;
}

std::string spell_byte(unsigned char byte) {
  char32_t value = byte;
  for (unsigned i = 0; i < kOthers; ++i) {
    if (static_cast<unsigned char>(kOtherBytes[i]) == byte) value = 256 + i;
  }
  std::string out;
  append_code_point(out, value);
  return out;
}

}  // namespace anemll::text
