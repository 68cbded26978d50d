// The outermost frame of every program: exceptions become text on stderr and an exit code, here and nowhere
// else.
#pragma once

#include "anemll/core/error.hpp"
#include "src/core/signals.hpp"

#include <functional>
#include <span>
#include <string>

namespace anemll {

/// The exception being handled as an Error (call it inside a catch block): an Error itself; out of memory
/// (LibTorch's too) and file system errors as data errors; anything else as `unexpected`, with a request for
/// a report.
Error current_error();

/// Prints "error: what", "  where: ...", "  hint: ..." (of a stop: "stopped: ...") and returns the exit code.
int report_error(const Error& error);

/// Sends log lines to stderr, runs `body` and returns its result, or for an exception the exit code:
///   Error               its code, reported
///   out of memory       3 (data): the input is too large for this machine
///   file system errors  3 (data)
///   anything else       1, with a request for a report
/// Call it inside MPI's lifetime, or let `body` own that, so that no destructor runs after the finalisation.
int run_tool(const std::function<int()>& body);

/// For programs that have no work for a second rank: usage error when mpirun or srun started several.
void require_one_process(const std::string& program);

/// Writes what a program was asked for to stdout. A reader that has had enough is no error, a full disk is a
/// data error.
void print_result(const std::string& text);

/// One command of a program like `anemll_cache import ...`. `run` gets the arguments from its name on.
struct Command {
  std::string name;
  std::function<int(int argc, char** argv)> run;
  ProgramKind kind = ProgramKind::filter;
};

/// Runs the command that argv[1] names as a program of its kind, or prints `usage` (--help) or the build
/// (--version). A usage error for anything else, and for several processes. What a filter prints is its
/// result: a data error when it could not be written.
int run_command(const std::string& program, const std::string& usage, std::span<const Command> commands,
                int argc, char** argv);

}  // namespace anemll
