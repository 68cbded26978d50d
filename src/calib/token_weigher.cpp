// Fisher weights: how much the loss moves with a linear's output at a token. For the loss -log p(label) with
// labels drawn from the model, w_t is the mean over the linear's outputs j of (d loss / d z_tj)^2, and of
// linears that share an input the mean over them: the diagonal of the Fisher information, averaged over
// outputs (GuidedQuant, arXiv:2505.07004, with one group; sampled labels as in YAQA, arXiv:2505.22988).
#include "src/calib/token_weigher.hpp"

#include "anemll/core/log.hpp"
#include "src/core/rng.hpp"
#include "src/model/torch_backward.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

namespace anemll {
namespace {

constexpr std::uint64_t kLabelSeed = 0;
/// A linear of the model. Backward adds its part of the weights to `sum`, [L].
class Watched final : public Linear {
 public:
  Watched(std::unique_ptr<Linear> own, double share, const at::Tensor* sum)
      : own_(std::move(own)), share_(share), sum_(sum) {}
  at::Tensor forward(const at::Tensor& x) override {
    const at::Tensor z = own_->forward(x);
    if (z.requires_grad()) {
      z.register_hook([share = share_, sum = *sum_](const at::Tensor& gradient) {
        const at::NoGradGuard no_grad;
        at::Tensor(sum).add_(gradient.flatten(0, 1).square().mean(1), share);
      });
    }
    return z;
  }

 private:
  std::unique_ptr<Linear> own_;
  double share_;
  const at::Tensor* sum_;
};

class FisherPass {
 public:
  explicit FisherPass(const ModelFiles& model)
      : decoder_(model, at::kCPU, /*dense=*/true),
        sums_(decoder_.slots().size() / kLayerLinears * kLinearGroups.size()) {
    std::size_t input = 0;
    for (std::size_t first = 0; first < decoder_.slots().size(); first += kLayerLinears) {
      for (const LinearGroup& group : kLinearGroups) {
        for (std::size_t i = first + group.first; i < first + group.first + group.count; ++i) {
          std::unique_ptr<Linear>& linear = decoder_.slots()[i].linear;
          linear = std::make_unique<Watched>(std::move(linear), 1.0 / static_cast<double>(group.count),
                                             &sums_[input]);
        }
        ++input;
      }
    }
  }

  /// Into `out` [blocks, kLinearGroups.size(), L], of one row; ids [1, L], mask [1, L] or undefined.
  void run(const at::Tensor& ids, const at::Tensor& mask, std::int64_t row, at::Tensor out) {
    out.zero_();
    const at::Tensor flat = out.view({-1, out.size(2)});
    for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] = flat.select(0, static_cast<std::int64_t>(i));
    const at::AutoGradMode grad(true);
    const AttentionState state = decoder_.begin(ids.size(1), mask);
    Stream stream = decoder_.embed(ids);
    stream.hidden.requires_grad_();
    for (std::size_t block = 0; block < decoder_.architecture().layers.size(); ++block)
      stream = decoder_.block(block, stream, state);
    const at::Tensor hidden = decoder_.finish(stream);
    run_backward(hidden, gradient_of_loss(hidden.detach(), mask, row));
  }

 private:
  /// Of the sum of -log p(label) over the tokens that count, by the final norm's output [1, L, H].
  at::Tensor gradient_of_loss(const at::Tensor& hidden, const at::Tensor& mask, std::int64_t row) {
    const at::NoGradGuard no_grad;
    const at::Tensor logits = decoder_.logits(hidden).select(0, 0);
    const at::Tensor labels = sampled_labels(logits, row);
    at::Tensor gradient = at::softmax(logits, 1);
    gradient.scatter_add_(1, labels.unsqueeze(1), at::full({labels.size(0), 1}, -1.0, gradient.options()));
    if (mask.defined()) gradient.mul_(mask.select(0, 0).unsqueeze(1));
    return at::mm(gradient, decoder_.head_weight(at::kFloat)).unsqueeze(0);
  }

  Decoder decoder_;
  std::vector<at::Tensor> sums_;  // [L] of each block's inputs, of the row of the moment
};

}  // namespace

at::Tensor sampled_labels(const at::Tensor& logits, std::int64_t row) {
  const CounterRng rng(kLabelSeed, static_cast<std::uint64_t>(row));
  const at::Tensor values = logits.contiguous();
  const std::int64_t tokens = values.size(0), vocab = values.size(1);
  at::Tensor labels = at::empty({tokens}, at::kLong);
  std::vector<double> sums(static_cast<std::size_t>(vocab));
  for (std::int64_t t = 0; t < tokens; ++t) {
    const float* logit = values.const_data_ptr<float>() + t * vocab;
    const double largest = *std::max_element(logit, logit + vocab);
    double sum = 0;
    for (std::int64_t v = 0; v < vocab; ++v)
      sums[static_cast<std::size_t>(v)] = sum += std::exp(logit[v] - largest);
    const double drawn = rng.uniform(static_cast<std::uint64_t>(t)) * sum;
    const auto at = std::upper_bound(sums.begin(), sums.end(), drawn) - sums.begin();
    labels.data_ptr<std::int64_t>()[t] = std::min<std::int64_t>(at, vocab - 1);
  }
  return labels;
}

TokenWeigher::TokenWeigher(TokenWeight kind, const ModelFiles& model, const at::Tensor& ids,
                           const at::Tensor& mask, SequenceShare share, Communicator& comm)
    : kind_(kind), mask_(mask), share_(share) {
  if (kind != TokenWeight::fisher) return;
  std::int64_t rounds[] = {share.count()};
  comm.all_reduce(std::span<std::int64_t>(rounds), ReduceOp::max);
  fisher_ = at::zeros({share.count(), static_cast<std::int64_t>(model.architecture.layers.size()),
                       static_cast<std::int64_t>(kLinearGroups.size()), ids.size(1)},
                      at::kFloat);
  FisherPass pass(model);
  Progress bar("gradients of tokens", rounds[0], "rows");
  for (std::int64_t i = 0; i < rounds[0]; ++i) {
    leave_together(comm, "weighing the tokens", "nothing of it was kept: the same command begins it anew");
    if (const std::int64_t row = share.first + i; row < share.last)
      pass.run(ids.narrow(0, row, 1), mask.defined() ? mask.narrow(0, row, 1) : mask, row,
               fisher_.select(0, i));
    bar.update(i + 1);
  }
  bar.finish();
}

at::Tensor TokenWeigher::weights(std::int64_t row, std::size_t block, InputGroup input,
                                 const at::Tensor& outputs) const {
  if (kind_ == TokenWeight::fisher)
    return fisher_.select(0, row - share_.first)
        .select(0, static_cast<std::int64_t>(block))
        .select(0, static_cast<std::int64_t>(input));
  return token_weights(kind_, outputs, mask_.defined() ? mask_.select(0, row) : at::Tensor());
}

}  // namespace anemll
