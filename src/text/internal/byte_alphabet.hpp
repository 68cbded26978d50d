// The byte-level alphabet: every byte as one printable character, as tokens are spelled in files. Pure, any
// thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace anemll::text {

/// Appends the bytes that `token` spells; false (with `out` as it was) if a character is not of the alphabet.
bool append_spelled_bytes(std::string_view token, std::string& out);

/// A byte as its character in UTF-8.
std::string spell_byte(unsigned char byte);

}  // namespace anemll::text
