#include "src/infer/text_stream.hpp"

#include "src/core/printable.hpp"
#include "src/text/utf8.hpp"

#include <algorithm>
#include <utility>

namespace anemll {

std::string TextStream::push(std::int32_t id) {
  if (id >= tokenizer_.size()) return finish() + "\xef\xbf\xbd";
  held_ += tokenizer_.bytes({&id, 1}, skip_special_tokens_);
  const std::size_t whole = held_.size() - text::unfinished_utf8(held_);
  std::string ready = held_.substr(0, whole);
  held_.erase(0, whole);
  return text::lossy_utf8(std::move(ready));
}

std::string TextStream::finish() {
  return text::lossy_utf8(std::exchange(held_, {}));
}

std::string fit_for_terminal(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t kept = std::min(text.find_first_of("\n\t"), text.size());
    out += printable(text.substr(0, kept));
    if (kept < text.size()) out += text[kept];
    text.remove_prefix(std::min(kept + 1, text.size()));
  }
  return out;
}

}  // namespace anemll
