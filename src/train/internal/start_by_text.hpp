// --from-scratch --init NAME: the start of a run out of the teacher and the rows of the run's own cache.
#pragma once

#include "anemll/data/prefetcher.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/train/train_options.hpp"
#include "src/start/start_work.hpp"
#include "src/student/student.hpp"
#include "src/train/internal/source_plan.hpp"

#include <memory>

#include <c10/core/Device.h>

namespace anemll {

/// Whether the run starts that way, once it is known that there is no state to go on from.
bool starts_by_text(const TrainOptions& options);

struct StartOfRun {
  Student student;
  std::unique_ptr<StartWork> work;  ///< rank 0: to be removed once the run has a state of its own
};

/// Fits to the first rows of the cache and compares on its held-out rows. Tells plan and warnings as
/// make_student. Collective.
StartOfRun start_by_text(const TrainOptions& options, const ModelFiles& files, const SourcePlan& plan,
                         Prefetcher& data, at::Device device, Communicator& comm);

}  // namespace anemll
