// Options of anemll_precompute that only some runs read.
#pragma once

#include "anemll/core/options.hpp"
#include "anemll/teacher/precompute.hpp"
#include "src/core/option_effects.hpp"

#include <vector>

namespace anemll {

/// What decides whether an option of this program is read.
struct PrecomputeFacts {
  const PrecomputeOptions& options;
  bool local_teacher = false;  ///< not by its name on the hub
  bool local_dataset = false;  ///< all data sets are
  bool has_chat = false;       ///< some data set holds conversations
  bool has_plain = false;      ///< some data set holds plain texts
};
std::vector<OptionEffect<PrecomputeFacts>> precompute_option_effects();
/// What was `given` and this run does not read. Looks whether teacher and data set are files.
std::vector<UnreadOption> unread_precompute_options(const PrecomputeOptions& options,
                                                    const OptionTable& given);

}  // namespace anemll
