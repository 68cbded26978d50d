// The marks for a loss on answers alone: {% generation %} ... {% endgeneration %}. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace anemll::text {

/// The outline without these marks, which print nothing; nothing where it has none, or where they are more
/// than marks. A name that is set between them keeps its old value behind them, and so none may be read
/// there.
std::optional<std::string> without_generation_marks(std::string_view outline);

}  // namespace anemll::text
