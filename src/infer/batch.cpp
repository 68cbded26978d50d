#include "src/infer/batch.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <numeric>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

namespace anemll {
namespace {

/// One pass of `ids` [B, L] behind what the cache holds: logits [B, V] of the last position, fp32 on the
/// host; undefined where it was asked to stop.
at::Tensor pass(Decoder& decoder, const at::Tensor& ids, KvCache& cache, const std::function<bool()>& stop) {
  const std::int64_t length = ids.size(1);
  const AttentionState state = decoder.begin(length, {}, cache.length(), &cache);
  Stream stream = decoder.embed(ids);
  for (std::size_t layer = 0; layer < decoder.architecture().layers.size(); ++layer) {
    if (stop && stop()) return {};
    stream = decoder.block(layer, stream, state);
  }
  // One token a row, so that the head's product is that of few tokens.
  const at::Tensor last = decoder.finish(stream).narrow(1, length - 1, 1);
  return decoder.logits(last).squeeze(1).to(at::kCPU, at::kFloat).contiguous();
}

/// A text while it is written.
struct Writing {
  std::size_t place;               ///< of its prompt
  std::vector<std::int32_t> text;  ///< prompt and answer
  Sampler sampler;
};

at::Tensor last_ids(const std::vector<Writing>& texts) {
  std::vector<std::int64_t> ids;
  for (const Writing& writing : texts) ids.push_back(writing.text.back());
  return at::tensor(ids, at::kLong).unsqueeze(1);
}

}  // namespace

std::optional<std::vector<BatchAnswer>> answer_together(Decoder& decoder,
                                                        std::span<const BatchPrompt> prompts,
                                                        const GenerationOptions& options,
                                                        const SamplingOptions& sampling,
                                                        const std::function<bool()>& stop) {
  const at::NoGradGuard no_grad;
  const Architecture& model = decoder.architecture();
  std::vector<BatchAnswer> answers(prompts.size());
  if (prompts.empty()) return answers;
  const auto length = static_cast<std::int64_t>(prompts.front().ids.size());
  const std::int64_t room = most_positions(model) - length;
  const std::int64_t most = std::min(options.max_tokens, room);

  std::vector<KvCache> caches;
  std::vector<Writing> texts;
  std::vector<at::Tensor> scores;  // of each text, [V]
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const BatchPrompt& prompt = prompts[i];
    check_prompt(prompt.ids, model);
    assert(static_cast<std::int64_t>(prompt.ids.size()) == length);
    const std::vector<std::int64_t> ids(prompt.ids.begin(), prompt.ids.end());
    KvCache cache(model.layer_count(), length + most);
    const at::Tensor logits = pass(decoder, at::tensor(ids, at::kLong).unsqueeze(0), cache, stop);
    if (!logits.defined()) return std::nullopt;
    scores.push_back(logits[0]);
    caches.push_back(std::move(cache));
    texts.push_back({i, prompt.ids, Sampler(sampling, prompt.seed)});
  }
  KvCache cache = caches.size() == 1 ? std::move(caches.front()) : KvCache::joined(caches);
  caches.clear();

  while (true) {
    std::vector<std::int64_t> going;  // those of `texts` that are not at their end
    for (std::size_t i = 0; i < texts.size(); ++i) {
      Writing& writing = texts[i];
      BatchAnswer& answer = answers[writing.place];
      float* values = scores[i].mutable_data_ptr<float>();
      const std::int32_t id =
          writing.sampler.next({values, static_cast<std::size_t>(scores[i].numel())}, writing.text);
      if (options.stops.contains(id)) {
        answer.ending = Ending::stop;
        continue;
      }
      answer.ids.push_back(id);
      writing.text.push_back(id);
      const auto written = static_cast<std::int64_t>(answer.ids.size());
      if (written < most) {
        going.push_back(static_cast<std::int64_t>(i));
      } else {
        answer.ending = written >= options.max_tokens ? Ending::length : Ending::context;
      }
    }
    if (going.empty()) return answers;
    if (going.size() < texts.size()) {
      cache.keep_rows(going);
      std::vector<Writing> left;
      for (const std::int64_t i : going) left.push_back(std::move(texts[static_cast<std::size_t>(i)]));
      texts = std::move(left);
    }
    const at::Tensor logits = pass(decoder, last_ids(texts), cache, stop);
    if (!logits.defined()) return std::nullopt;
    scores.clear();
    for (std::size_t i = 0; i < texts.size(); ++i) scores.push_back(logits[static_cast<std::int64_t>(i)]);
  }
}

std::vector<std::vector<std::size_t>> equal_lengths(const std::vector<std::size_t>& lengths,
                                                    std::size_t size) {
  std::vector<std::size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return lengths[a] < lengths[b]; });
  std::vector<std::vector<std::size_t>> groups;
  for (const std::size_t place : order) {
    const bool joins =
        !groups.empty() && groups.back().size() < size && lengths[groups.back().front()] == lengths[place];
    if (!joins) groups.emplace_back();
    groups.back().push_back(place);
  }
  return groups;
}

}  // namespace anemll
