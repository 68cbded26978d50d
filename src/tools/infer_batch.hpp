// A file of prompts to a file of answers, shared by all ranks.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/core/options.hpp"
#include "src/tools/infer_options.hpp"

namespace anemll {

/// Collective. The answers do not depend on the number of ranks, on their threads or on how often the program
/// was stopped. `host`: this rank's place on its host. Throws StopError after a signal; what is answered is
/// written then.
void infer_batch(InferOptions options, const OptionTable& table, Communicator& comm, MpiRuntime::Host host);

}  // namespace anemll
