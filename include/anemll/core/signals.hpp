// SIGUSR1, SIGTERM and SIGINT (Ctrl-C) ask a run to save and leave (exit 75). The handler only remembers the
// signal; the training loop looks at it between steps, shares the decision with all ranks and acts. Any
// number of further signals changes nothing, so a second SIGTERM does not kill a run that is saving; a second
// SIGINT does.
#pragma once

#include <string_view>

namespace anemll {

/// Installs the handler for the three. Call it first in main(), before MPI_Init: the default
/// action of SIGUSR1 is death, and mpirun may forward one at any time.
void install_signal_flag();

/// The last of them that came, 0 when none did. Any thread.
int pending_signal();

/// For work that has nothing to save: throws the error with exit code 75 when a signal has come. `during`:
/// "tokenising", `hint`: what a second start does. Cheap: it may stand in a loop over records.
void leave_on_signal(std::string_view during, std::string_view hint);

/// Forgets what came.
void clear_pending_signal();

}  // namespace anemll
