#include "src/infer/text_stream.hpp"

#include "src/text/utf8.hpp"

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

}  // namespace anemll
