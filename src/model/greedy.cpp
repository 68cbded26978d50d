#include "src/model/greedy.hpp"

#include "anemll/core/error.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

namespace anemll {

std::vector<std::int32_t> greedy_continuation(Decoder& decoder, std::span<const std::int32_t> prompt,
                                              std::int64_t count, const std::set<std::int32_t>& stops,
                                              const std::function<void()>& before_token) {
  if (prompt.empty()) throw_data("there is nothing to continue", "prompt", "give a text with a token in it");
  const at::NoGradGuard no_grad;
  const at::Device device = decoder.head_weight(at::kFloat).device();
  KvCache cache(decoder.architecture().layer_count(), static_cast<std::int64_t>(prompt.size()) + count);
  std::vector<std::int64_t> next(prompt.begin(), prompt.end());
  std::vector<std::int32_t> ids;
  while (static_cast<std::int64_t>(ids.size()) < count) {
    if (before_token) before_token();
    const at::Tensor input = at::tensor(next, at::kLong).unsqueeze(0).to(device);
    const at::Tensor hidden = decoder.hidden(input, {}, {}, &cache);
    const at::Tensor last = hidden.select(1, hidden.size(1) - 1);
    const std::int64_t id = decoder.logits(last).argmax(-1).item<std::int64_t>();
    if (stops.contains(static_cast<std::int32_t>(id))) break;
    ids.push_back(static_cast<std::int32_t>(id));
    next.assign(1, id);
  }
  return ids;
}

}  // namespace anemll
