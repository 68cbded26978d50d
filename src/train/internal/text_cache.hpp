// The rows of a run that has a text in the place of a cache.
#pragma once

#include "anemll/train/train_options.hpp"
#include "src/train/internal/assembly.hpp"

#include <filesystem>
#include <string>

namespace anemll {

/// Makes a cache of the tokens of --dataset_name, with a part that is held out, in `folder`: made anew at
/// every start, so that a text that has changed is another cache, which a resumed run refuses. Its
/// path. Collective. StopError on a signal.
std::string make_text_cache(const TrainOptions& options, const std::filesystem::path& folder,
                            const RankPlace& place);

}  // namespace anemll
