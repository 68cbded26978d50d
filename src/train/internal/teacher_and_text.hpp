// What a run's evaluations look at beside the cache's rows: the text and the teacher, loaded and checked
// before the student is made, which takes minutes.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/data/kd_cache.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/train/train_options.hpp"
#include "src/distill/evaluator.hpp"
#include "src/train/internal/assembly.hpp"

#include <string>

namespace anemll {

/// Which rows an evaluation scores, and how.
Evaluator::Protocol evaluation_protocol(const TrainOptions& options);

/// `opened`, `base`: the student's model. `cache_shares_head`: the cache has hidden states of its head.
/// Collective; rank 0 downloads and warns. Data and usage errors name what does not fit.
Evaluator::Sources open_teacher_and_text(const TrainOptions& options, const OpenModel& opened,
                                         const ModelFiles& base, const KdCacheInfo& cache,
                                         bool cache_shares_head, const RankPlace& place);

}  // namespace anemll
