// The split patterns that cut a whole text into words, numbers, signs and white space. Linear in the text,
// whatever it holds. Pure, any thread.
#pragma once

#include "anemll/text/tokenizer.hpp"

namespace anemll::text {

/// Whether `pattern` is one of these: its pieces follow each other without a gap.
bool is_word_pattern(SplitPattern pattern);

/// The end of the piece that begins at `at`, which is before `end`.
const char* word_piece(SplitPattern pattern, const char* at, const char* end);

}  // namespace anemll::text
