// Greedy continuation of a prompt: one pass over the prompt, then one token a pass through the cache of keys
// and values.
#pragma once

#include "src/model/decoder.hpp"

#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <vector>

namespace anemll {

/// The ids that follow `prompt` (not empty), each the one with the largest logit (of equal ones the first),
/// at most `count` of them. An id of `stops` ends the continuation and is not part of it. `before_token` is
/// called before each pass; what it throws ends the work. No gradients.
std::vector<std::int32_t> greedy_continuation(Decoder& decoder, std::span<const std::int32_t> prompt,
                                              std::int64_t count, const std::set<std::int32_t>& stops,
                                              const std::function<void()>& before_token = {});

}  // namespace anemll
