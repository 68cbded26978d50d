// Normalisation form C with the Unicode version of the Python tokenizers library. Pure, any thread.
#pragma once

#include <string>
#include <string_view>

namespace anemll::text {

/// `text` (well-formed UTF-8) in NFC: `text` itself when there is nothing to do, else a view of `buffer`.
std::string_view to_nfc(std::string_view text, std::string& buffer);

/// What to_nfc takes a character for; exposed for the test that holds these tables against the Unicode data.
enum class NfcClass {
  starter,  ///< stays as it is and never joins what stands before it
  inert,    ///< newer than the library's Unicode: nothing interacts with it
  active,   ///< may change, move or compose
};
NfcClass nfc_class(char32_t value);

}  // namespace anemll::text
