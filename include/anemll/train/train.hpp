// Training as one call.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/train/train_options.hpp"

#include <string>

namespace anemll {

/// Runs `options` on the ranks of `comm` (all call it). `resolved_json`: the options as parsed, kept with
/// checkpoints. Returns `done`, or `save_and_requeue` after a signal made it save and stop. Everything else
/// is thrown: usage, data, communication and numerics errors. `local_rank` of `local_ranks` on this host:
/// picks the GPU, shares out the threads.
ExitCode run_training(const TrainOptions& options, const std::string& resolved_json, Communicator& comm,
                      int local_rank, int local_ranks);

/// What a training program is: parses the command line on every rank and trains. `options`: the program's
/// defaults; `make_table`: its options over them. Returns the exit code.
int train_program(int argc, char** argv, MpiRuntime& mpi, TrainOptions options,
                  OptionTable (*make_table)(TrainOptions&));

}  // namespace anemll
