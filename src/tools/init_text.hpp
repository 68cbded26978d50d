// The sequences that anemll_init fits to and those that it holds out.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/model/model_files.hpp"
#include "src/start/start.hpp"
#include "src/tools/init_options.hpp"

namespace anemll {

/// Of the KD cache or the text that the settings name, the same on every rank. Tells what is looked at.
/// Collective.
StartText read_start_text(const InitSettings& settings, const OpenModel& opened, Communicator& comm);

}  // namespace anemll
