#include "src/infer/prompt_check.hpp"

#include "src/model/wide_compute.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/tensor.h>

namespace anemll {
namespace {

/// [positions, V]
at::Tensor log_probabilities(Decoder& model, std::span<const std::int32_t> ids) {
  const WideCompute wide(model);
  const std::vector<std::int64_t> all(ids.begin(), ids.end());
  const at::Tensor hidden = model.hidden(at::tensor(all, at::kLong).unsqueeze(0), {});
  return at::log_softmax(model.logits(hidden.select(0, 0)).to(at::kFloat), -1).cpu();
}

}  // namespace

std::vector<std::string> foreign_marks(const ChatTemplate& chat, const Tokenizer& tokenizer) {
  std::vector<std::string> foreign;
  for (const std::string& mark : chat.marks()) {
    if (tokenizer.encode(mark).size() != 1) foreign.push_back(mark);
  }
  return foreign;
}

void add_template_stops(std::set<std::int32_t>& stops, const ChatTemplate& chat, const Tokenizer& tokenizer) {
  for (const std::string& mark : chat.stops()) {
    if (const auto id = tokenizer.find(mark)) stops.insert(*id);
  }
}

double prompt_divergence(Decoder& teacher, Decoder& model, std::span<const std::int32_t> ids) {
  const at::NoGradGuard no_grad;
  const at::Tensor wanted = log_probabilities(teacher, ids);
  const at::Tensor found = log_probabilities(model, ids);
  return wanted.exp().mul_(wanted.sub(found)).sum(-1).mean().item<double>();
}

}  // namespace anemll
