// What a program does when a signal comes, decided here for all of them by what the program is for.
//
//   TERM, INT, HUP, XCPU, USR1   a maker saves and leaves (exit 75); the default for a filter
//   a second INT                 ends at once
//   USR2                         a dump is written where there is a DumpWriter; the work goes on
//   INT in a dialogue            is remembered, and nothing else: it ends an answer and not the program
//   PIPE                         a maker goes on without its reader; a filter ends quietly with 0
//   XFSZ                         a maker gets an error from the write and says which file
//
// The handler only remembers the signal and wakes a thread that acknowledges it in the log, so that a person
// reads at once that it was heard, whatever the program is doing. The work looks at the flag where it can
// stop: between micro-steps, evaluation batches, layers, records. Ranks share the decision (comm's
// leave_together). Further signals change nothing, so a second TERM does not kill a run that is saving.
#pragma once

#include "anemll/core/error.hpp"

#include <string>
#include <string_view>

namespace anemll {

/// What a program is for.
enum class ProgramKind {
  maker,     ///< makes or changes files: nobody's log may end it
  filter,    ///< prints a result: nothing is lost when the one who reads it has enough
  dialogue,  ///< a filter that talks with a person
};

/// Installs all of the above. Call it first in main(), before MPI_Init and before threads: the default action
/// of USR1 is death, and mpirun may forward one at any time. A later call for another kind wins.
/// SIGHUP stays ignored where it was (nohup).
void prepare_signals(ProgramKind kind);

/// The part of prepare_signals that stops a maker, without PIPE and XFSZ.
void install_signal_flag();

/// The last signal that asks to stop, 0 when none came. Any thread.
int pending_signal();

/// "signal 15 (SIGTERM)".
std::string signal_text(int number);

/// Leaving because of a signal: exit code 75.
class StopError : public Error {
 public:
  StopError(int signal, std::string_view during, std::string_view hint);
  int signal() const { return signal_; }

 private:
  int signal_;
};

/// For work that has nothing to save: throws StopError when a signal has come. `during`: "tokenising",
/// `hint`: what a second start does. Cheap: it may stand in a loop over records. Each call
/// is a sign of life (life_signs.hpp).
void leave_on_signal(std::string_view during, std::string_view hint);

/// While it lives, the line that acknowledges a signal says this: "saving after this micro-step, then exit
/// code 75". `text` must be a literal. Scopes nest; one thread makes them.
class StopPlan {
 public:
  explicit StopPlan(const char* text);
  ~StopPlan();
  StopPlan(const StopPlan&) = delete;
  StopPlan& operator=(const StopPlan&) = delete;

 private:
  const char* before_;
};

/// Somebody who writes a dump of what the process does when USR2 comes. The signal is counted; who writes
/// looks at the count now and then.
class DumpWriter {
 public:
  DumpWriter();
  ~DumpWriter();
  DumpWriter(const DumpWriter&) = delete;
  DumpWriter& operator=(const DumpWriter&) = delete;
  /// How many USR2 the process got so far.
  static int asked();
};

/// Forgets what came.
void clear_pending_signal();

}  // namespace anemll
