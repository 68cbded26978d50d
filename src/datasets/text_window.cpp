#include "src/datasets/internal/text_window.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"

#include <algorithm>
#include <cstring>
#include <span>

namespace anemll::datasets {
namespace {

constexpr std::size_t kMostStep = std::size_t{1} << 18;

}  // namespace

TextWindow::TextWindow(const std::filesystem::path& path) : path_(path), source_(open_bytes(path)) {
  while (text().size() < kContentLook && more()) continue;
  look_inside();
  if (text().starts_with(kByteOrderMark)) take(kByteOrderMark.size());
}

/// A file that was compressed by one step may hold anything.
void TextWindow::look_inside() const {
  const ContentKind kind = content_kind(std::as_bytes(std::span(text().substr(0, kContentLook))));
  if (kind == ContentKind::other || kind == ContentKind::empty) return;
  const ContentKind outside = compression_of(path_);
  if (!is_compression(outside)) require_content(path_, kind, {}, "a text file");
  std::string what = "is compressed, and in it is ";
  throw_data(what.append(content_name(kind)).append(", where a text file is read"), path_.string(),
             content_advice(kind == ContentKind::tar ? kind : outside, path_));  // tar unpacks both
}

bool TextWindow::more() {
  if (ended_) return false;
  const std::size_t held = end_ - begin_;
  if (held > kMaxBytes) {
    throw_data(
        "a record is over " + format_bytes(kMaxBytes), where(),
        "if it is JSON, a bracket or quote is never closed; if it is text, cut it into smaller documents "
        "with 'split -C 100M " +
            path_.string() + "'");
  }
  if (begin_ != 0) std::memmove(buffer_.data(), buffer_.data() + begin_, held);
  begin_ = 0;
  end_ = held;
  if (buffer_.size() < held + step_ + kPadding) buffer_.resize(std::max(2 * held, held + step_) + kPadding);
  step_ = std::min(2 * step_, kMostStep);
  const std::size_t room = buffer_.size() - kPadding - end_;
  const std::size_t got = source_->read({buffer_.data() + end_, room});
  end_ += got;
  ended_ = got == 0;
  return !ended_;
}

void TextWindow::take(std::size_t n) {
  // Of long lines the library's search is many times faster than a look at each byte.
  std::string_view taken = text().substr(0, n);
  for (std::size_t at; (at = taken.find('\n')) != std::string_view::npos; taken.remove_prefix(at + 1))
    ++line_;
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
