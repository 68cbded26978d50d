// The outermost frame of every program: exceptions become text on stderr and an exit code, here and nowhere
// else.
#pragma once

#include <functional>

namespace anemll {

/// The code of a program stopped by something that is no Error: a bug, or a library's own exception.
inline constexpr int kUnexpectedExit = 1;

/// Runs `body` and returns its result, or for an exception the exit code:
///   Error               its code; prints "error: what", "  where: ...", "  hint: ..."
///   out of memory       3 (data): the input is too large for this machine
///   file system errors  3 (data)
///   anything else       kUnexpectedExit, with a request for a report
/// Call it inside MPI's lifetime, or let `body` own that, so that no destructor runs after the finalisation.
int run_tool(const std::function<int()>& body);

}  // namespace anemll
