// The watchdog of programs that have no steps: what they do is one phase, with one limit.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/core/options.hpp"

#include <functional>

namespace anemll {

/// --work-timeout SECONDS of such a program (default 1800).
void add_watch_option(OptionTable& table, double* limit_s);

/// Runs `body` with the ranks of `world`, watched: where none of them has given a sign of life for `limit_s`
/// (0: never) the job ends with code 4 and dumps in the folder "flight". One rank alone is not watched: it
/// waits for nobody, but perhaps for a person. Returns what `body` returns. Collective.
int run_watched(Communicator& world, double limit_s, const std::function<int(Communicator&)>& body);

}  // namespace anemll
