#include "src/core/plain_numbers.hpp"

#include <new>

#include <stdlib.h>

namespace anemll {
namespace {

/// Never freed: threads may print until the very end of the program.
locale_t plain() {
  static const locale_t made = [] {
    const locale_t locale = ::newlocale(LC_ALL_MASK, "C", nullptr);
    if (locale == nullptr) throw std::bad_alloc();
    return locale;
  }();
  return made;
}

}  // namespace

double plain_strtod(const char* text, char** end) {
  return ::strtod_l(text, end, plain());
}

PlainNumbers::PlainNumbers() : before_(::uselocale(plain())) {}

PlainNumbers::~PlainNumbers() {
  ::uselocale(before_);
}

}  // namespace anemll
