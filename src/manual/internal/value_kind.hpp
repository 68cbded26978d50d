// What a shell offers for the value of an option. Private to src/manual.
#pragma once

#include "src/manual/manual.hpp"

namespace anemll {

enum class ValueKind { none, number, words, file };

/// A text may be the name of a file: models and data sets are both.
inline ValueKind value_kind(const OptionText& option) {
  const bool takes_one = option.kind == "value" || option.kind == "general";
  if (!takes_one || option.value.empty()) return ValueKind::none;
  if (option.value == "N" || option.value == "X") return ValueKind::number;
  return option.words.empty() ? ValueKind::file : ValueKind::words;
}

}  // namespace anemll
