// One list of settings that are allowed and most likely a mistake. Told at the start and by --dry-run.
#pragma once

#include "anemll/data/kd_cache.hpp"
#include "anemll/train/train_options.hpp"
#include "src/core/option_effects.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace anemll {

struct SuspicionFacts {
  const TrainOptions& options;
  const KdCacheInfo& cache;
  int ranks = 1;
  bool on_gpu = false;
  std::int64_t done_steps = 0;  ///< of the run that goes on
  bool resumes = false;
  bool bf16 = false;  ///< GEMMs are bf16
  bool fast_bf16 = true;
};

struct Suspicion {
  std::string problem;
  std::string hint;
};

/// Options that this run does not read.
std::vector<OptionEffect<SuspicionFacts>> train_option_effects();

/// What the tables know, options without effect last.
std::vector<Suspicion> suspicions(const SuspicionFacts& facts);

}  // namespace anemll
