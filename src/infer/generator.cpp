#include "src/infer/generator.hpp"

#include "anemll/core/error.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <string>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

namespace anemll {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

std::int64_t most_positions(const Architecture& model) {
  return model.max_positions > 0 ? model.max_positions : std::numeric_limits<std::int64_t>::max();
}

void check_prompt(std::span<const std::int32_t> prompt, const Architecture& model, const std::string& where) {
  if (prompt.empty()) throw_data("there is nothing to continue", where, "give a text with a token in it");
  for (const std::int32_t id : prompt) {
    if (id < 0 || id >= model.vocab_size)
      throw_data("the prompt has the token " + std::to_string(id) + ", the model has " +
                     std::to_string(model.vocab_size) + " tokens",
                 where, "the tokenizer is another model's");
  }
  if (static_cast<std::int64_t>(prompt.size()) >= most_positions(model))
    throw_data("the prompt has " + std::to_string(prompt.size()) + " tokens, the model takes " +
                   std::to_string(model.max_positions) + " with the answer",
               where, "shorten the text; in a dialogue /reset begins anew");
}

/// Room for so many positions: what is cached is lost where there was less.
void Generator::make_room(std::int64_t positions) {
  if (cache_ && cache_->capacity() >= positions) return;
  const Architecture& model = decoder_.architecture();
  // A dialogue grows with every turn; each growth computes its text once more.
  const std::int64_t doubled = cache_ ? 2 * cache_->capacity() : 0;
  cached_.clear();
  cache_.reset();
  cache_.emplace(model.layer_count(), std::min(std::max(positions, doubled), most_positions(model)));
}

/// How much of `text` need not be computed. The last token's output is wanted, whatever is there.
std::size_t Generator::cached_of(std::span<const std::int32_t> text) const {
  const auto common = std::mismatch(text.begin(), text.end(), cached_.begin(), cached_.end()).first;
  return std::min(static_cast<std::size_t>(common - text.begin()), text.size() - 1);
}

/// Logits [V] of what follows `text`; nothing where the caller asked to stop.
std::optional<std::vector<float>> Generator::pass(std::span<const std::int32_t> text,
                                                  const GenerationCalls& calls) {
  const std::size_t first = cached_of(text);
  cached_.resize(first);
  const std::vector<std::int64_t> ids(text.begin() + static_cast<std::ptrdiff_t>(first), text.end());
  const auto count = static_cast<std::int64_t>(ids.size());
  const AttentionState state =
      decoder_.begin(count, {}, static_cast<std::int64_t>(first), cache_ ? &*cache_ : nullptr);
  Stream stream = decoder_.embed(at::tensor(ids, at::kLong).unsqueeze(0));
  for (std::size_t layer = 0; layer < decoder_.architecture().layers.size(); ++layer) {
    if (calls.stop && calls.stop()) return std::nullopt;
    stream = decoder_.block(layer, stream, state);
  }
  const at::Tensor last = decoder_.finish(stream).select(1, count - 1);
  cached_.assign(text.begin(), text.end());
  const at::Tensor logits = decoder_.logits(last).to(at::kCPU, at::kFloat).contiguous();
  const float* values = logits.data_ptr<float>();
  return std::vector<float>(values, values + logits.numel());
}

Generation Generator::answer(std::span<const std::int32_t> prompt, const GenerationOptions& options,
                             Sampler& sampler, const GenerationCalls& calls) {
  const at::NoGradGuard no_grad;
  const Architecture& model = decoder_.architecture();
  check_prompt(prompt, model);
  const auto length = static_cast<std::int64_t>(prompt.size());
  const std::int64_t room = most_positions(model) - length;
  make_room(length + std::min(options.max_tokens, room));

  Generation made;
  std::vector<std::int32_t> text(prompt.begin(), prompt.end());
  const auto begun = std::chrono::steady_clock::now();
  made.prompt_tokens = length - static_cast<std::int64_t>(cached_of(text));
  std::optional<std::vector<float>> scores = pass(text, calls);
  auto answering = std::chrono::steady_clock::now();
  while (true) {
    if (!scores || (calls.stop && calls.stop())) {
      made.ending = Ending::asked;
      break;
    }
    const std::int32_t id = sampler.next(*scores, text);
    if (made.ids.empty()) {
      made.prompt_seconds = seconds_since(begun);
      answering = std::chrono::steady_clock::now();
    }
    made.ids.push_back(id);
    text.push_back(id);
    if (options.stops.contains(id)) {
      made.ending = Ending::stop;
      break;
    }
    if (calls.on_token) calls.on_token(id);
    const auto written = static_cast<std::int64_t>(made.ids.size());
    if (written >= options.max_tokens || written >= room) {
      made.ending = written >= options.max_tokens ? Ending::length : Ending::context;
      break;
    }
    scores = pass(text, calls);
    if (scores) ++made.passes;
  }
  if (made.ids.empty()) {
    made.prompt_seconds = seconds_since(begun);
  } else {
    made.answer_seconds = seconds_since(answering);
  }
  return made;
}

}  // namespace anemll
