// Advice by what columns hold, where no format has fields of their names.
#pragma once

#include "src/datasets/internal/record.hpp"

#include <string>

namespace anemll::datasets {

/// Whether the value is a list of turns: of objects that say who speaks.
bool holds_turns(const Value& value);
/// The options that read turns out of a column.
std::string turns_advice(const std::string& column);

/// How to read a record, whose fields are all of its names: columns of turns, or of a question and an answer
/// under names that data sets often have. Nothing where there are none.
std::string advice_of_columns(const Record& record);

}  // namespace anemll::datasets
