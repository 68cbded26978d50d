#include "src/calib/internal/block_moments.hpp"

#include "src/kernels/product.hpp"
#include "src/model/torch_bridge.hpp"

#include <memory>
#include <span>
#include <utility>

#include <ATen/core/grad_mode.h>

namespace anemll {

/// A linear of the model that keeps its last input.
class BlockPass::Probe final : public Linear {
 public:
  Probe(const at::Tensor& weight, const at::Tensor& bias)
      : weight_(weight.to(at::kFloat)), bias_(bias.defined() ? bias.to(at::kFloat) : bias) {}
  at::Tensor forward(const at::Tensor& x) override {
    input_ = x;
    return kernels::linear(x, weight_, bias_);
  }
  /// [N, n] of the last call, which is then forgotten.
  at::Tensor take() { return std::exchange(input_, {}).flatten(0, 1); }

 private:
  at::Tensor weight_, bias_, input_;
};

BlockPass::BlockPass(const ModelFiles& model, const TextRows& rows, SequenceShare share)
    : model_(model), rows_(rows), share_(share), decoder_(model, at::kCPU, /*dense=*/false) {
  const at::NoGradGuard no_grad;
  for (std::int64_t row = share.first; row < share.last; ++row)
    hidden_.push_back(decoder_.embed(rows.ids.narrow(0, row, 1)).hidden);
}

void BlockPass::load() {
  probes_.clear();
  for (std::size_t i = 0; i < kLayerLinears; ++i) {
    Decoder::Slot& slot = decoder_.slots()[next_ * kLayerLinears + i];
    const auto view = [&](const char* part) { return as_torch(*model_.tensors.find(slot.spec.name + part)); };
    auto probe = std::make_unique<Probe>(view(".weight"), slot.spec.bias ? view(".bias") : at::Tensor());
    probes_.push_back(probe.get());
    slot.linear = std::move(probe);
  }
}

void BlockPass::unload() {
  for (std::size_t i = 0; i < kLayerLinears; ++i) decoder_.slots()[next_ * kLayerLinears + i].linear.reset();
  probes_.clear();
  model_.release_pages();
  ++next_;
}

at::Tensor BlockPass::mask_of(std::int64_t row) const {
  return rows_.mask.defined() ? rows_.mask.narrow(0, row, 1) : at::Tensor();
}

Stream BlockPass::run(std::int64_t row) {
  const AttentionState state = decoder_.begin(rows_.ids.size(1), mask_of(row));
  at::Tensor& hidden = hidden_[static_cast<std::size_t>(row - share_.first)];
  const Stream out = decoder_.block(next_, {hidden, {}}, state);
  hidden = out.hidden.add(out.delta);
  return {hidden, {}};
}

void BlockPass::advance(const std::function<void()>& each) {
  const at::NoGradGuard no_grad;
  load();
  for (std::int64_t row = share_.first; row < share_.last; ++row) {
    run(row);
    each();
  }
  unload();
}

std::vector<SharedInput> BlockPass::advance(const TokenWeigher& weigher, bool full,
                                            const std::function<void()>& each, Communicator& comm) {
  const at::NoGradGuard no_grad;
  load();
  std::vector<MomentSum> sums;
  std::vector<SharedInput> inputs;
  for (const LinearGroup& group : kLinearGroups) {
    const auto slots = std::span(decoder_.slots()).subspan(next_ * kLayerLinears + group.first, group.count);
    sums.emplace_back(slots.front().spec.in, MomentParts{full, false}, rows_.count());
    SharedInput& shared = inputs.emplace_back();
    for (const Decoder::Slot& slot : slots) shared.linears.push_back(slot.spec.name);
  }
  for (std::int64_t row = share_.first; row < share_.last; ++row) {
    const at::Tensor output = run(row).hidden.flatten(0, 1);
    const at::Tensor mask = mask_of(row);
    for (std::size_t i = 0; i < kLinearGroups.size(); ++i) {
      at::Tensor x = probes_[kLinearGroups[i].first]->take();
      // A token that nothing attends to may hold anything, and 0 times infinity is no 0.
      if (mask.defined()) x = x.masked_fill(mask.flatten().eq(0).unsqueeze(1), 0);
      sums[i].add(row, x, weigher.weights(row, next_, kLinearGroups[i].input, output));
    }
    each();
  }
  for (std::size_t i = 0; i < sums.size(); ++i) inputs[i].sum = sums[i].finish(comm);
  unload();
  return inputs;
}

}  // namespace anemll
