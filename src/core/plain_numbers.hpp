// Numbers in text have a point, whatever LC_NUMERIC says in the program that calls these libraries.
#pragma once

#include <locale.h>

namespace anemll {

/// As std::strtod.
double plain_strtod(const char* text, char** end);

/// While it lives, printf and its relatives in this thread write a point.
class PlainNumbers {
 public:
  PlainNumbers();
  ~PlainNumbers();
  PlainNumbers(const PlainNumbers&) = delete;
  PlainNumbers& operator=(const PlainNumbers&) = delete;

 private:
  locale_t before_;
};

}  // namespace anemll
