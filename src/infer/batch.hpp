// Several texts at once: prompts of equal length, whose next tokens come out of one pass. Weights are read
// once for all of them.
#pragma once

#include "src/infer/generator.hpp"
#include "src/infer/sampling.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace anemll {

struct BatchPrompt {
  std::vector<std::int32_t> ids;
  std::uint64_t seed = 0;  ///< of this text's draws
};

struct BatchAnswer {
  std::vector<std::int32_t> ids;  ///< without the stop
  Ending ending = Ending::length;
};

/// What follows each of `prompts`, which have the same length. Each prompt is computed alone and each token
/// by itself where the decoder's products allow that (those of CompactModel do), so an answer is the same in
/// any company. Nothing where `stop`, which is asked before each layer, says so. Data errors: those of
/// check_prompt.
std::optional<std::vector<BatchAnswer>> answer_together(Decoder& decoder,
                                                        std::span<const BatchPrompt> prompts,
                                                        const GenerationOptions& options,
                                                        const SamplingOptions& sampling,
                                                        const std::function<bool()>& stop = {});

/// Places in `lengths`, cut into groups of one length and at most `size` each, shorter lengths first.
std::vector<std::vector<std::size_t>> equal_lengths(const std::vector<std::size_t>& lengths,
                                                    std::size_t size);

}  // namespace anemll
