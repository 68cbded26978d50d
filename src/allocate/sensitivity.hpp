// What the output of a model loses where a group of its linears is quantised and nothing else, and how near
// each linear comes to its weight at each width. Measured once for a model and a text; an interrupted
// measurement goes on where it was.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/model/model_files.hpp"
#include "src/allocate/groups.hpp"
#include "src/score/text_score.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <c10/core/Device.h>

namespace anemll {

/// Four significant digits of each figure, so that sums in another order change nothing.
struct Sensitivities {
  std::map<std::string, double> groups;  ///< KL of the quantised group at the probe's width, nats a token
  std::map<std::string, std::map<std::string, double>> errors;  ///< by linear and width: relative, squared
};

struct SensitivityOptions {
  LinearWidth probe{3, 4};
  std::vector<LinearWidth> widths;  ///< that may be chosen
  std::int64_t layers = 4;          ///< of one kind that are one group
};

/// What a measurement holds for: a file of another one is not gone on with.
struct SensitivityKey {
  std::string model;  ///< fingerprint of its weights
  std::string text;   ///< digest of the windows
  LinearWidth probe;
  std::int64_t layers = 0;
};
/// Nothing measured where there is no such file, or, with `replace`, where it holds for something else.
/// Without that a usage error; a data error for a file that is none. Rank 0 alone reads, and all get what is
/// there: what is measured decides which sums the ranks make together. Collective.
Sensitivities read_sensitivities(const std::filesystem::path& file, const SensitivityKey& key, bool replace,
                                 Communicator& comm);
void write_sensitivities(const std::filesystem::path& file, const SensitivityKey& key,
                         const Sensitivities& found);

/// Measures what `known` lacks. Errors are weighted by the mean squares of the inputs over the windows, each
/// token by its own size. Rank r takes every size-th linear and group; all ranks return the same. `save` is
/// called on rank 0 after each round. Collective; a signal is StopError on all ranks.
Sensitivities measure_sensitivities(const ModelFiles& files, TextScorer& scorer,
                                    const SensitivityOptions& options, Sensitivities known, at::Device device,
                                    const std::function<void(const Sensitivities&)>& save,
                                    Communicator& comm);

}  // namespace anemll
