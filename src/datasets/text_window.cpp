#include "src/datasets/internal/text_window.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"

#include <algorithm>
#include <cstring>

namespace anemll::datasets {
namespace {

constexpr std::size_t kStep = std::size_t{1} << 18;

}  // namespace

TextWindow::TextWindow(const std::filesystem::path& path) : path_(path), source_(open_bytes(path)) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  while (text().size() < kByteOrderMark.size() && more()) continue;
  if (text().starts_with(kByteOrderMark)) take(kByteOrderMark.size());
}

bool TextWindow::more() {
  if (ended_) return false;
  const std::size_t held = end_ - begin_;
  if (held > kMaxBytes) {
    throw_data("a record is over " + format_bytes(kMaxBytes), where(),
               "if it is JSON, a bracket or quote is never closed; if it is text, cut the file into smaller "
               "documents");
  }
  if (begin_ != 0) std::memmove(buffer_.data(), buffer_.data() + begin_, held);
  begin_ = 0;
  end_ = held;
  if (buffer_.size() < held + kStep + kPadding) buffer_.resize(std::max(2 * held, held + kStep) + kPadding);
  const std::size_t room = buffer_.size() - kPadding - end_;
  const std::size_t got = source_->read({buffer_.data() + end_, room});
  end_ += got;
  ended_ = got == 0;
  return !ended_;
}

void TextWindow::take(std::size_t n) {
  const char* from = buffer_.data() + begin_;
  line_ += std::count(from, from + n, '\n');
  begin_ += n;
}

int TextWindow::peek() {
  for (;;) {
    const std::string_view all = text();
    std::size_t n = 0;
    while (n < all.size() && is_json_space(all[n])) ++n;
    const bool found = n < all.size();
    const int next = found ? static_cast<unsigned char>(all[n]) : kEnd;
    take(n);
    if (found) return next;
    if (!more()) return kEnd;
  }
}

std::string TextWindow::where(std::size_t at) const {
  const std::string_view before = text().substr(0, at);
  return path_.string() + ":" + std::to_string(line_ + std::count(before.begin(), before.end(), '\n'));
}

}  // namespace anemll::datasets
