// What makes a run the run it is: what a state says of it, so that no other run goes on from there.
#pragma once

#include "anemll/data/kd_cache.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/train/train_options.hpp"
#include "src/train/internal/source_plan.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace anemll {

/// What a resumed run must share with the one that saved: model, data, batch, order, scheme, what is trained
/// (JSON object).
std::string run_identity(const TrainOptions& options, const ModelFiles& files, const KdCacheInfo& cache,
                         const SourcePlan& source, const std::string& live_teacher = {});

/// The batch size of the run that saved, by the identity in its state; nothing where an old state has none.
std::optional<std::int64_t> saved_batch_size(const SavedState& state);

}  // namespace anemll
