// The teacher of a run whose cache has no hidden states: it is run on each batch, for objectives that want
// them.
#pragma once

#include "anemll/data/kd_cache.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/train/train_options.hpp"
#include "src/distill/batch_tensors.hpp"
#include "src/model/decoder.hpp"

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace anemll {

/// Whether --teacher-model says in training what the cache does not.
bool needs_live_teacher(const TrainOptions& options, const KdCacheInfo& cache);

class LiveTeacher {
 public:
  LiveTeacher(const ModelFiles& files, at::Device device, at::ScalarType compute);
  /// Sets the teacher's hidden states, halves as in a cache; and its first choice as the only candidate where
  /// `first_choice` is asked for and the batch has none. Each rank runs its own rows; the bits are a function
  /// of batch and position in the run, as the student's are.
  void add_to(BatchTensors& batch, bool first_choice);

 private:
  void add_first_choice(BatchTensors& batch);

  Decoder decoder_;
  at::ScalarType compute_;
};

}  // namespace anemll
