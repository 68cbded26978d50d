// Look-ups in a table of families.
#pragma once

#include "anemll/model/family.hpp"

#include <span>
#include <string>
#include <string_view>

namespace anemll {

/// The row of that name, or null.
const Family* find_family(std::span<const Family> families, std::string_view name);

/// "llama, qwen2, qwen3": for messages.
std::string family_names(std::span<const Family> families);

/// Whether any linear of the family asks for this rule.
bool uses(const Family& family, BiasRule rule);

}  // namespace anemll
