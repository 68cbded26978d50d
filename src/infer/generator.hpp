// A text that goes on: one pass over the prompt, then one token a pass, through a cache of keys and values
// that is kept from one prompt to the next. One thread; no gradients.
#pragma once

#include "src/infer/sampling.hpp"
#include "src/model/decoder.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace anemll {

struct GenerationOptions {
  std::int64_t max_tokens = 512;
  std::set<std::int32_t> stops;  ///< any of these ids ends the text
};

/// Positions that the model takes, prompt and answer together.
std::int64_t most_positions(const Architecture& model);
/// Data errors: an empty prompt, ids that the model has not, more tokens than it takes. `where` names the
/// prompt.
void check_prompt(std::span<const std::int32_t> prompt, const Architecture& model,
                  const std::string& where = "prompt");

/// Why a text ended.
enum class Ending {
  stop,     ///< one of the stops, which is the last id
  length,   ///< max_tokens
  context,  ///< the model takes no more positions
  asked,    ///< the caller's wish
};

struct Generation {
  std::vector<std::int32_t> ids;
  Ending ending = Ending::length;
  std::int64_t prompt_tokens = 0;  ///< that were computed: those of the common beginning were there already
  double prompt_seconds = 0;       ///< until the first token is chosen
  std::int64_t passes = 0;         ///< of one token each
  double answer_seconds = 0;       ///< of these passes, with what `on_token` does
};

struct GenerationCalls {
  std::function<void(std::int32_t)> on_token = {};  ///< each id but a stop
  /// Asked before each token and, since a prompt may take long, before each layer. True ends the text.
  std::function<bool()> stop = {};
};

class Generator {
 public:
  /// `decoder` outlives the generator. Its numerics stay as they are.
  explicit Generator(Decoder& decoder) : decoder_(decoder) {}

  /// What follows `prompt`. Where it begins with what an earlier call ended with, that is not computed
  /// again. Data errors: an empty prompt, ids that the model has not, more tokens than it takes.
  Generation answer(std::span<const std::int32_t> prompt, const GenerationOptions& options, Sampler& sampler,
                    const GenerationCalls& calls = {});

 private:
  void make_room(std::int64_t positions);
  std::size_t cached_of(std::span<const std::int32_t> text) const;
  std::optional<std::vector<float>> pass(std::span<const std::int32_t> text, const GenerationCalls& calls);

  Decoder& decoder_;
  std::optional<KvCache> cache_;
  std::vector<std::int32_t> cached_;  // the text whose keys and values are there
};

}  // namespace anemll
