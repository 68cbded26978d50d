// The frame of programs that share their work over ranks and have no steps: what they do is one phase,
// watched with one limit.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/core/options.hpp"

#include <functional>

namespace anemll {

/// --work-timeout SECONDS of such a program (default 1800).
void add_watch_option(OptionTable& table, double* limit_s);

/// The main() of such a program, run_ranks with more: the options are parsed, then every rank has `check`
/// look at them, then comes `work`. Where no rank has given a sign of life for `limit_s` (of
/// add_watch_option; 0: never) the job ends with code 4 and dumps in the folder "flight". One rank alone is
/// not watched: it waits for nobody, but perhaps for a person.
int run_watched(int argc, char** argv, OptionTable& table, const double& limit_s,
                const std::function<void(bool is_root)>& check,
                const std::function<int(Communicator&, MpiRuntime::Host)>& work);

}  // namespace anemll
