// All that a run is made of, opened and checked in the order that finds mistakes first. Nothing is trained
// yet.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/data/prefetcher.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/train/train_options.hpp"
#include "src/comm/send_files.hpp"
#include "src/comm/watchdog.hpp"
#include "src/core/output_folder.hpp"
#include "src/core/scratch_folder.hpp"
#include "src/distill/evaluator.hpp"
#include "src/start/start_work.hpp"
#include "src/student/student.hpp"
#include "src/train/internal/live_teacher.hpp"
#include "src/train/internal/sample_prompts.hpp"
#include "src/train/internal/saved_state.hpp"
#include "src/train/internal/selection.hpp"
#include "src/train/internal/timeline.hpp"
#include "src/train/train_model.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace anemll {

/// Where a rank computes.
struct RankPlace {
  Communicator& comm;         ///< host collectives: decisions, losses, broadcasts
  Communicator& device_comm;  ///< gradient reduction; the same object on CPUs
  at::Device device;
  at::ScalarType compute;        ///< of the GEMMs
  int local_ranks = 1;           ///< ranks of this host
  FileSender* sender = nullptr;  ///< none: all hosts see the same files
  Watchdog* watchdog = nullptr;  ///< none: nobody watches
};

/// Where this rank finds rank 0's `path` (--stage). Collective.
inline std::string bring(const RankPlace& place, const std::string& path) {
  return place.sender != nullptr ? place.sender->send(path).string() : path;
}

struct Assembly {
  TrainOptions options;
  std::string resolved_json;  ///< the options as text, kept with states
  std::string identity;       ///< what a resumed run must share with this one (JSON)
  RankPlace place;
  std::unique_ptr<OutputFolder> output;    ///< rank 0; its lock lives as long as the run
  std::unique_ptr<ScratchFolder> scratch;  ///< rank 0, of a dry run: what it makes to look at it
  std::optional<SavedState> state;         ///< that the run goes on from
  std::unique_ptr<Prefetcher> data;
  std::optional<ModelFiles> base;    ///< what layers are held against; none without --inspect-steps
  std::shared_ptr<Student> student;  ///< none in a dry run from scratch; shared with the caller's `given`
  std::unique_ptr<StartWork> start_work;  ///< rank 0, of --init: removed once there is a state
  Selection selection;
  std::unique_ptr<LiveTeacher> teacher;    ///< none where the cache says what the objective asks
  std::unique_ptr<Evaluator> evaluator;    ///< none with --eval-samples 0
  std::int64_t planned_bytes = 0;          ///< of memory, by this rank
  Timeline timeline;                       ///< from the start of the assembly on
  std::unique_ptr<SamplePrompts> samples;  ///< rank 0, of --sample-prompts where it evaluates
  GivenModel* given = nullptr;             ///< none: the options name the source
};

/// Memory plan and suspicious settings are told; a run that does not fit is refused before anything large is
/// in memory. The options in it have no `auto` batch. Collective. Every kind of Error. `given` must outlive
/// the result.
Assembly assemble(const TrainOptions& options, const std::string& resolved_json, const RankPlace& place,
                  GivenModel* given = nullptr);

}  // namespace anemll
