// JSON as Python prints the value that it holds, for templates that print tools that way. Pure, any thread.
#pragma once

#include <string>
#include <string_view>

namespace anemll::text {

/// str(json.loads(json)): single quotes, True, False, None; a text alone is itself. Numbers stay as they are
/// spelled.
std::string python_repr(std::string_view json);

}  // namespace anemll::text
