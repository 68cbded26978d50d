// Where log lines go. A library prints nothing: they go where its caller says, and nowhere until then.
#pragma once

#include "anemll/core/log.hpp"

#include <functional>
#include <string_view>

namespace anemll {

/// Takes one message, without time and level in its text. It may come from any thread, one at a time, and
/// must neither log nor throw.
using LogSink = std::function<void(LogLevel level, std::string_view text)>;
/// From now on messages go to `sink`, progress as lines among them; an empty one drops them, as at the start.
void set_log_sink(LogSink sink);
/// From now on they go to stderr, as those of programs: lines with time and level, and progress is a bar
/// where that is a terminal.
void log_to_stderr();

}  // namespace anemll
