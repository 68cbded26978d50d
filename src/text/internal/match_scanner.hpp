// The split patterns that take what they match out of a text and leave the rest between. Linear in the text,
// whatever it holds. Pure, any thread.
#pragma once

#include "anemll/text/tokenizer.hpp"

#include <string>

namespace anemll::text {

/// A match; both are the end of the text where there is none.
struct Match {
  const char* begin;
  const char* end;
};

/// The first match at `at` or behind it. `known` is what the scanner has found out about the text so far:
/// give nullptr for the first call on a stretch and the same variable for the next ones.
Match find_match(SplitPattern pattern, const char* at, const char* end, const char*& known);

/// The regular expression of a pattern that is a class of characters: its ranges are spelled out of the table
/// that the scanner uses. Empty for other patterns.
std::string class_regex(SplitPattern pattern);

}  // namespace anemll::text
