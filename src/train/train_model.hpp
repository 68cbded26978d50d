// Training of a model that the caller has, in the place of one that a run makes from a source.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/train/train_options.hpp"
#include "src/student/student.hpp"

#include <cstdint>
#include <limits>
#include <memory>
#include <string>

namespace anemll {

struct GivenModel {
  OpenModel opened;
  ModelFiles base;  ///< the unquantised model
  /// Shared with the run, so that the caller has it whatever ends the run. A run that goes on from a state
  /// puts that state's model in its place.
  std::shared_ptr<Student> student;
  std::string source;  ///< where it came from, for config.json
};

/// The figures of a run, those of the runs that it goes on from among them.
struct TrainedRun {
  ExitCode code = ExitCode::done;
  std::int64_t steps = 0;  ///< optimiser steps
  std::int64_t best_step = 0;
  double initial_loss = std::numeric_limits<double>::quiet_NaN();  ///< NaN without evaluations
  double last_loss = std::numeric_limits<double>::quiet_NaN();
  double best_loss = std::numeric_limits<double>::infinity();
  double seconds = 0;
};

/// run_training with this model. Options that name a source or its quantisation are not read. Afterwards, and
/// when it throws, the model holds the last weights and is set to evaluation in fp32.
TrainedRun train_given(GivenModel& model, const TrainOptions& options, const std::string& resolved_json,
                       Communicator& comm, int local_rank, int local_ranks);

}  // namespace anemll
