// The variables that begin with our prefix: which are known, and what is said about the others. Private to
// src/core; reads nothing by itself.
#pragma once

#include "src/core/internal/option_spec.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace anemll {

struct EnvironmentNotice {
  std::string text;
  bool misspelt = false;  ///< one that the program reads is spelt nearly so
};
/// What is to be said about `environment` ("NAME=value" entries, null at the end): variables that look like
/// ours, have a value and are not read by the program of `table`; those that set options (their names, for
/// values may be secrets); and words that ANEMLL_LOG_LEVEL does not know.
std::vector<EnvironmentNotice> environment_notices(const TableSpec& table, const char* const* environment);

}  // namespace anemll
