// Cuts a text into the pieces that are merged separately: hand-written scanners for the known split patterns,
// linear in the text whatever it holds. One thread per object.
#pragma once

#include "anemll/text/tokenizer.hpp"

#include <string_view>

namespace anemll::text {

class Splitter {
 public:
  /// `text` is well-formed UTF-8 and outlives this.
  Splitter(SplitPattern pattern, std::string_view text);
  /// The next piece; empty at the end. The pieces together are the text.
  std::string_view next();

 private:
  SplitPattern pattern_;
  const char* at_;
  const char* end_;
  const char* limit_;  // gpt2_digits: the end of the stretch without digits that at_ is in
};

}  // namespace anemll::text
