#include "src/allocate/sensitivity.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/plain_numbers.hpp"
#include "src/core/signals.hpp"
#include "src/model/decoder.hpp"
#include "src/model/input_sums.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/weight_fit.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linear.h>

namespace anemll {
namespace {

constexpr const char* kDuring = "measuring sensitivities";
constexpr const char* kHint =
    "measured linears and groups are kept: run the same command again, which reads the inputs of the linears "
    "anew and then goes on";
constexpr std::size_t kKeptRounds = 8;  // of linears between two writes of the file
constexpr std::int64_t kRows = 384;     // of a weight that an error is estimated on

double rounded(double value) {
  return plain_strtod(strf("%.4g", value).c_str(), nullptr);
}

/// The squares of the inputs, each token divided by its own, so that no token drowns the others.
at::Tensor shares_of_squares(const at::Tensor& x) {
  const at::Tensor squares = x.to(at::kFloat).square();
  return squares.div(squares.sum(1, true).clamp_min(1e-30)).to(at::kDouble).sum(0);
}

class FixedLinear final : public Linear {
 public:
  FixedLinear(at::Tensor weight, at::Tensor bias) : weight_(std::move(weight)), bias_(std::move(bias)) {}
  at::Tensor forward(const at::Tensor& x) override {
    return at::linear(x, weight_.to(x.scalar_type()),
                      bias_.defined() ? std::optional(bias_.to(x.scalar_type())) : std::nullopt);
  }

 private:
  at::Tensor weight_, bias_;
};

class Measurement {
 public:
  Measurement(const ModelFiles& files, TextScorer& scorer, const SensitivityOptions& options,
              Sensitivities known, at::Device device, const std::function<void(const Sensitivities&)>& save,
              Communicator& comm)
      : files_(files),
        scorer_(scorer),
        options_(options),
        found_(std::move(known)),
        device_(device),
        save_(save),
        comm_(comm),
        linears_(body_linears(files.architecture)),
        groups_(linear_groups(linears_, options.layers)) {
    widths_ = options.widths;
    if (std::find(widths_.begin(), widths_.end(), options.probe) == widths_.end())
      widths_.push_back(options.probe);
  }

  Sensitivities run() {
    const at::NoGradGuard no_grad;
    const std::vector<std::size_t> linears = lacking_linears(), groups = lacking_groups();
    if (linears.empty() && groups.empty()) return std::move(found_);
    Decoder decoder(files_, device_, /*dense=*/true);
    const auto alone = make_single_communicator();
    if (!found_.errors.empty() || !found_.groups.empty())
      log_info("the inputs of the linears and the model's own answers are not kept: the text is read anew");
    Progress bar("Inputs of the linears", 1, "passes");
    moments_ = sums_of_inputs(decoder, shares_of_squares, [&] { scorer_.run_teacher(decoder, *alone); });
    bar.update(1);
    bar.finish();
    measure_errors(linears);
    measure_groups(groups, decoder, *alone);
    return std::move(found_);
  }

 private:
  std::vector<std::size_t> lacking_linears() const {
    std::vector<std::size_t> lacking;
    for (std::size_t i = 0; i < linears_.size(); ++i) {
      const auto known = found_.errors.find(linears_[i].name);
      const bool all = known != found_.errors.end() &&
                       std::all_of(widths_.begin(), widths_.end(),
                                   [&](const LinearWidth& w) { return known->second.contains(name_of(w)); });
      if (!all) lacking.push_back(i);
    }
    return lacking;
  }
  std::vector<std::size_t> lacking_groups() const {
    std::vector<std::size_t> lacking;
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      if (!found_.groups.contains(groups_[i].name)) lacking.push_back(i);
    }
    return lacking;
  }

  at::Tensor weight_of(std::size_t linear) const {
    return as_torch(*files_.tensors.find(linears_[linear].name + ".weight")).to(at::kFloat);
  }

  /// Every row counts for itself, so some of them tell the error.
  double error_of(std::size_t linear, const at::Tensor& weight, const LinearWidth& width) const {
    const std::int64_t step = std::max<std::int64_t>(1, weight.size(0) / kRows);
    const at::Tensor rows = weight.slice(0, 0, weight.size(0), step).contiguous();
    return fit_weight(rows, moments_[linear], std::int64_t{1} << width.bits, width.rank).error;
  }

  void measure_errors(const std::vector<std::size_t>& linears) {
    const auto size = static_cast<std::size_t>(comm_.size()), rank = static_cast<std::size_t>(comm_.rank());
    Progress bar("Errors of weights", static_cast<std::int64_t>(linears.size()), "linears");
    for (std::size_t first = 0; first < linears.size(); first += size) {
      leave_together(comm_, kDuring, kHint);
      std::vector<double> errors(size * widths_.size(), 0.0);
      if (first + rank < linears.size()) {
        const at::Tensor weight = weight_of(linears[first + rank]);
        for (std::size_t k = 0; k < widths_.size(); ++k)
          errors[rank * widths_.size() + k] = error_of(linears[first + rank], weight, widths_[k]);
      }
      comm_.all_reduce(std::span<double>(errors), ReduceOp::sum);
      for (std::size_t r = 0; r < size && first + r < linears.size(); ++r) {
        auto& mine = found_.errors[linears_[linears[first + r]].name];
        for (std::size_t k = 0; k < widths_.size(); ++k)
          mine[name_of(widths_[k])] = rounded(errors[r * widths_.size() + k]);
      }
      bar.update(static_cast<std::int64_t>(std::min(first + size, linears.size())));
      if (first / size % kKeptRounds == kKeptRounds - 1) keep();
    }
    bar.finish();
    keep();
  }

  /// The divergence with this group alone in the probe's width.
  double divergence_of(const SensitivityGroup& group, Decoder& decoder, Communicator& alone) {
    std::vector<std::unique_ptr<Linear>> own;
    for (const std::size_t i : group.members) {
      const at::Tensor made =
          fit_weight(weight_of(i), moments_[i], std::int64_t{1} << options_.probe.bits, options_.probe.rank)
              .weight;
      const HostTensor* bias = linears_[i].bias ? files_.tensors.find(linears_[i].name + ".bias") : nullptr;
      own.push_back(std::move(decoder.slots()[i].linear));
      decoder.slots()[i].linear = std::make_unique<FixedLinear>(
          made.to(device_), bias == nullptr ? at::Tensor() : as_torch(*bias).to(device_));
    }
    const at::Tensor head = decoder.head_weight(at::kFloat);
    double kl = 0;
    try {
      kl = scorer_.score(decoder, head, head, alone).mean;
    } catch (const StopError& e) {  // the scorer does not know what is kept
      throw StopError(e.signal(), kDuring, kHint);
    }
    for (std::size_t k = 0; k < group.members.size(); ++k)
      decoder.slots()[group.members[k]].linear = std::move(own[k]);
    if (!std::isfinite(kl))
      throw_numerics("the divergence is not a number", group.name,
                     "anemll_eval shows whether the model itself is one on this text");
    return kl;
  }

  void measure_groups(const std::vector<std::size_t>& groups, Decoder& decoder, Communicator& alone) {
    const auto size = static_cast<std::size_t>(comm_.size()), rank = static_cast<std::size_t>(comm_.rank());
    Progress bar("Sensitivities", static_cast<std::int64_t>(groups.size()), "groups");
    for (std::size_t first = 0; first < groups.size(); first += size) {
      leave_together(comm_, kDuring, kHint);
      std::vector<double> kl(size, 0.0);
      if (first + rank < groups.size())
        kl[rank] = divergence_of(groups_[groups[first + rank]], decoder, alone);
      comm_.all_reduce(std::span<double>(kl), ReduceOp::sum);
      for (std::size_t r = 0; r < size && first + r < groups.size(); ++r)
        found_.groups[groups_[groups[first + r]].name] = rounded(std::max(kl[r], 0.0));
      keep();
      bar.update(static_cast<std::int64_t>(std::min(first + size, groups.size())));
    }
    bar.finish();
  }

  void keep() {
    on_root(comm_, [&] { save_(found_); });
  }

  const ModelFiles& files_;
  TextScorer& scorer_;
  const SensitivityOptions& options_;
  Sensitivities found_;
  at::Device device_;
  const std::function<void(const Sensitivities&)>& save_;
  Communicator& comm_;
  std::vector<LinearSpec> linears_;
  std::vector<SensitivityGroup> groups_;
  std::vector<LinearWidth> widths_;  // the probe's among them
  std::vector<at::Tensor> moments_;  // by linear, [in]
};

}  // namespace

Sensitivities measure_sensitivities(const ModelFiles& files, TextScorer& scorer,
                                    const SensitivityOptions& options, Sensitivities known, at::Device device,
                                    const std::function<void(const Sensitivities&)>& save,
                                    Communicator& comm) {
  return Measurement(files, scorer, options, std::move(known), device, save, comm).run();
}

}  // namespace anemll
