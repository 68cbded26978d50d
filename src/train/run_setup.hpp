// What options mean on this machine: device, precision, threads, schedule, models; and the run's identity.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/data/kd_cache.hpp"
#include "anemll/hub/hub.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/quant/presets.hpp"
#include "anemll/train/train_options.hpp"
#include "src/distill/evaluator.hpp"
#include "src/train/schedule.hpp"
#include "src/train/source_plan.hpp"

#include <cstdint>
#include <string>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace anemll {

/// `local_rank` picks the GPU; several ranks take one only when NCCL is built in. A usage error when cuda is
/// asked for and absent.
at::Device choose_device(const TrainOptions& options, int local_rank, int world_size);
at::ScalarType choose_compute(const TrainOptions& options, at::Device device);
bool choose_ste(const TrainOptions& options);
/// Sets LibTorch's thread count for this rank and returns it.
int set_threads(const TrainOptions& options, int local_ranks);
ScheduleOptions schedule_of(const TrainOptions& options);

Evaluator::Protocol evaluation_protocol(const TrainOptions& options);

/// Supervised positions per input token of a row without masked tokens.
double positions_per_token(const KdCacheInfo& cache);

/// The folder or file of a model given by path or hub name; rank 0 downloads it when it has to. `revision`
/// counts for hub names. Collective.
std::string find_model(const std::string& id, const std::string& revision, ModelUse use, Communicator& comm);

/// What a resumed run must share with the one that saved: model, data, batch, order, scheme, what is trained
/// (JSON object).
std::string run_identity(const TrainOptions& options, const ModelFiles& files, const KdCacheInfo& cache,
                         const SourcePlan& source);

}  // namespace anemll
