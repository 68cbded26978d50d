#include "src/start/internal/block_by_block.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/calib/moment_sum.hpp"
#include "src/core/hash.hpp"
#include "src/core/life_signs.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/layer_type.hpp"
#include "src/start/internal/float_linear.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/mm.h>
#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using nlohmann::ordered_json;

// Of a stream that is zero.
constexpr double kSmallestSquare = 1e-12;
constexpr const char* kNames[] = {"q", "k", "v", "o", "gate", "up", "down"};

std::vector<std::int64_t> rows_of(const at::Tensor& ids, const Communicator& comm) {
  const SequenceShare share = share_of(ids.size(0), comm.rank(), comm.size());
  std::vector<std::int64_t> rows(static_cast<std::size_t>(share.count()));
  std::iota(rows.begin(), rows.end(), share.first);
  return rows;
}

std::string digest(const at::Tensor& tensor) {
  if (!tensor.defined()) return "";
  const HostTensor host = as_host(tensor);
  return sha256_hex(std::span(host.data, host.bytes()));
}

/// Whether what a linear of the group gives is added to the residual stream.
bool joins(const LinearGroup& group) {
  return group.input == InputGroup::o || group.input == InputGroup::down;
}

std::string note_of(const BlockReport& report) {
  ordered_json linears = ordered_json::array();
  for (const double error : report.linears)
    linears.push_back(std::isfinite(error) ? ordered_json(error) : ordered_json());
  return linears.dump();
}

std::vector<double> errors_of(const std::string& note) {
  std::vector<double> errors;
  const ordered_json linears = ordered_json::parse(note, nullptr, false);
  if (!linears.is_array()) return errors;
  for (const auto& error : linears)
    errors.push_back(error.is_number() ? error.get<double>() : std::numeric_limits<double>::quiet_NaN());
  return errors;
}

}  // namespace

std::string start_identity(const ModelFiles& model, const QuantSpec& spec, const StartText& text,
                           const StartOptions& o) {
  ordered_json linears = ordered_json::array();
  for (const QuantSpec::Entry& entry : spec.entries())
    linears.push_back({entry.quant.type, entry.quant.lut_size, entry.quant.rank, entry.quant.group_size});
  const SolveOptions& s = o.solve;
  return ordered_json({{"model", model.fingerprint},
                       {"linears", linears},
                       {"text", {text.ids.sizes().vec(), digest(text.ids), digest(text.mask)}},
                       {"method", choice_name(s.method)},
                       {"numbers",
                        {s.rounds, s.sweeps, s.b_iterations, s.b_share, s.a_residual, s.lut_iterations,
                         s.als_iterations, s.descend, s.fit_b, s.fit_lut}},
                       {"projected", static_cast<bool>(s.project)},
                       {"init", {choice_name(s.init.floor), s.init.fast, s.init.ste}},
                       {"moments", {o.moments.damp, o.moments.ridge}},
                       {"correction", {o.correct_targets ? o.moments.correction : 0.0, "stream"}},
                       {"token_weight", choice_name(o.token_weight)}})
      .dump();
}

BlockByBlock::BlockByBlock(const ModelFiles& model, const QuantSpec& spec, const StartText& text,
                           const StartOptions& options, Communicator& comm)
    : model_(model),
      spec_(spec),
      text_(text),
      options_(options),
      comm_(comm),
      linears_(body_linears(model.architecture)),
      teacher_model_(model, at::kCPU, false),
      student_model_(model, at::kCPU, false),
      teacher_(teacher_model_, text.ids, text.mask, rows_of(text.ids, comm)),
      student_(student_model_, text.ids, text.mask, rows_of(text.ids, comm)),
      store_(options.blocks, start_identity(model, spec, text, options)),
      weigher_(moments_needed(options.solve.method) == MomentsNeeded::none ? TokenWeight::none
                                                                           : options.token_weight,
               model, text.ids, text.mask, share_of(text.ids.size(0), comm.rank(), comm.size()), comm),
      behind_(teacher_.count()) {}

void BlockByBlock::open_block(std::size_t block) {
  for (std::size_t i = block * kLayerLinears; i < (block + 1) * kLayerLinears; ++i) {
    const std::string& name = linears_[i].name;
    const at::Tensor weight = as_torch(*model_.tensors.find(name + ".weight")).to(at::kFloat);
    at::Tensor bias;
    if (linears_[i].bias) bias = as_torch(*model_.tensors.find(name + ".bias")).to(at::kFloat);
    teacher_model_.slots()[i].linear = std::make_unique<FloatLinear>(weight, bias);
    student_model_.slots()[i].linear = std::make_unique<FloatLinear>(weight, bias);
  }
}

void BlockByBlock::close_block(std::size_t block) {
  for (std::size_t i = block * kLayerLinears; i < (block + 1) * kLayerLinears; ++i) {
    teacher_model_.slots()[i].linear.reset();
    student_model_.slots()[i].linear.reset();
  }
  model_.release_pages();
}

void BlockByBlock::look_at_teacher(std::size_t block) {
  if (!corrects()) {
    for (std::size_t i = 0; i < teacher_.count(); ++i) behind_[i] = teacher_.behind(block, i);
    return;
  }
  teacher_.enter(block);
  for (const LinearGroup& group : kLinearGroups) {
    for (std::size_t i = 0; i < teacher_.count(); ++i)
      seen_[group.first].push_back({teacher_.input(i), joins(group) ? teacher_.residual(i) : at::Tensor()});
    teacher_.step(block, group.input);
    give_life_sign();
  }
  for (std::size_t i = 0; i < teacher_.count(); ++i) behind_[i] = teacher_.left(i);
}

bool BlockByBlock::corrects() const {
  return options_.correct_targets && moments_needed(options_.solve.method) == MomentsNeeded::full;
}

SolveMoments BlockByBlock::moments_of(std::size_t block, const LinearGroup& group) {
  const LinearSpec& first = linears_[block * kLayerLinears + group.first];
  const bool full = moments_needed(options_.solve.method) == MomentsNeeded::full;
  at::Tensor weight;
  if (corrects() && joins(group))
    weight = as_torch(*model_.tensors.find(first.name + ".weight")).to(at::kFloat);
  // What each sequence lacks: of the input; with a weight, of the stream behind the linear.
  const auto missing = [&](std::size_t i, const at::Tensor& x) {
    const Seen& teacher = seen_[group.first][i];
    const at::Tensor inputs = teacher.input.sub(x);
    if (!weight.defined()) return inputs;
    return at::mm(inputs, weight.t()).add_(teacher.residual).sub_(student_.residual(i));
  };
  const std::int64_t cross = !corrects() ? 0 : joins(group) ? first.out : first.in;
  MomentSum sum(first.in, {full, cross}, text_.ids.size(0));
  for (std::size_t i = 0; i < student_.count(); ++i) {
    give_life_sign();
    const at::Tensor x = student_.input(i);
    const std::int64_t row = student_.row(i);
    sum.add(row, x, weigher_.weights(row, block, group.input, behind_[i].flatten(0, 1)),
            cross > 0 ? missing(i, x) : at::Tensor());
  }
  seen_[group.first].clear();
  Moments made = sum.finish(comm_).moments;
  made.normalise();
  return {full ? made.full : made.diagonal, made.cross, options_.moments, first.name,
          joins(group) ? CrossOf::outputs : CrossOf::inputs};
}

void BlockByBlock::install(std::size_t block, std::size_t linear, const LayerTensors& tensors) {
  const std::size_t i = block * kLayerLinears + linear;
  LayerTensors own = tensors;
  if (linears_[i].bias)
    own[".bias"] = as_torch(*model_.tensors.find(linears_[i].name + ".bias")).to(at::kFloat).clone();
  const LinearQuant& quant = spec_.entries()[i].quant;
  std::unique_ptr<QuantLayer> layer = layer_type(quant.type).make(linears_[i], quant, std::move(own));
  layer->set_numerics({ForwardMode::materialised, options_.solve.init.ste});
  student_model_.slots()[i].linear = std::move(layer);
}

void BlockByBlock::fit(std::size_t block, KeptBlock& made, BlockReport& report) {
  made.linears.resize(kLayerLinears);
  report.linears.assign(kLayerLinears, std::numeric_limits<double>::quiet_NaN());
  const bool looks = moments_needed(options_.solve.method) != MomentsNeeded::none;
  student_.enter(block);
  for (const LinearGroup& group : kLinearGroups) {
    leave_together(comm_, "making the start",
                   options_.blocks.empty() ? "nothing of it was kept: run the same command again"
                                           : "finished blocks are kept: the same command goes on");
    std::optional<SolveMoments> moments;
    if (looks) moments.emplace(moments_of(block, group));
    for (std::size_t linear = group.first; linear < group.first + group.count; ++linear) {
      const std::size_t i = block * kLayerLinears + linear;
      const at::Tensor weight = as_torch(*model_.tensors.find(linears_[i].name + ".weight"));
      SolvedLinear solved = solve_linear(weight, spec_.entries()[i].quant, moments ? &*moments : nullptr, {},
                                         options_.solve, comm_);
      for (const std::string& warning : solved.draft.warnings) log_warning(linears_[i].name + ": " + warning);
      if (looks) report.linears[linear] = std::sqrt(solved.squared_error / solved.squared_output);
      install(block, linear, solved.draft.tensors);
      made.linears[linear] = std::move(solved.draft.tensors);
    }
    student_.step(block, group.input);
  }
  made.note = note_of(report);
}

double BlockByBlock::advance(std::size_t block, bool was_kept) {
  // A slot for each sequence, filled by one rank, so that the sum has one order.
  std::vector<double> errors(static_cast<std::size_t>(text_.ids.size(0)), 0), counts(errors.size(), 0);
  for (std::size_t i = 0; i < student_.count(); ++i) {
    give_life_sign();
    at::Tensor behind = was_kept ? student_.behind(block, i) : student_.left(i);
    const at::Tensor wanted = behind_[i].to(at::kDouble);
    const at::Tensor missed = behind.to(at::kDouble).sub_(wanted).square_().sum(-1);
    at::Tensor share = missed.div_(wanted.square().sum(-1).clamp_min_(kSmallestSquare)).flatten();
    const auto row = static_cast<std::size_t>(student_.row(i));
    counts[row] = static_cast<double>(share.numel());
    if (text_.mask.defined()) {
      const at::Tensor counted = text_.mask.select(0, student_.row(i)).to(at::kDouble);
      share = share.mul_(counted);
      counts[row] = counted.sum().item<double>();
    }
    errors[row] = share.sum().item<double>();
    student_.move(i, std::move(behind));
    teacher_.move(i, std::move(behind_[i]));
  }
  comm_.all_reduce(std::span<double>(errors), ReduceOp::sum);
  comm_.all_reduce(std::span<double>(counts), ReduceOp::sum);
  return std::accumulate(errors.begin(), errors.end(), 0.0) /
         std::max(std::accumulate(counts.begin(), counts.end(), 0.0), 1.0);
}

void BlockByBlock::tell(std::size_t block, const BlockReport& report, bool was_kept) {
  const std::size_t blocks = model_.architecture.layers.size();
  std::string text = strf("block %zu of %zu:", block + 1, blocks);
  for (std::size_t i = 0; i < report.linears.size(); ++i) {
    if (std::isfinite(report.linears[i])) text += strf(" %s %.3f", kNames[i], report.linears[i]);
  }
  text += strf("; stream %.2e", report.stream);
  if (was_kept) {
    text += ", was there";
  } else {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - began_;
    const double left =
        passed.count() / static_cast<double>(++made_) * static_cast<double>(blocks - block - 1);
    if (block + 1 < blocks) text += ", about " + format_seconds(left) + " left";
  }
  log_info(text);
}

TensorMap BlockByBlock::run(std::vector<BlockReport>& reports) {
  const at::NoGradGuard no_grad;
  TensorMap all;
  const std::span<const LinearSpec> linears(linears_);
  const std::span<const QuantSpec::Entry> entries(spec_.entries());
  for (std::size_t block = 0; block < model_.architecture.layers.size(); ++block) {
    const std::span<const LinearSpec> own = linears.subspan(block * kLayerLinears, kLayerLinears);
    open_block(block);
    look_at_teacher(block);
    BlockReport report;
    std::optional<KeptBlock> made =
        store_.read(block, own, entries.subspan(block * kLayerLinears, kLayerLinears), comm_);
    const bool was_kept = made.has_value();
    if (was_kept) {
      for (std::vector<Seen>& of_group : seen_) of_group.clear();
      leave_together(comm_, "reading the blocks that were made", "they are kept: the same command goes on");
      report.linears = errors_of(made->note);
      for (std::size_t i = 0; i < kLayerLinears; ++i) install(block, i, made->linears[i]);
      began_ = std::chrono::steady_clock::now();
    } else {
      made.emplace();
      fit(block, *made, report);
      store_.write(block, own, *made, comm_);
    }
    report.stream = advance(block, was_kept);
    close_block(block);
    tell(block, report, was_kept);
    reports.push_back(std::move(report));
    for (std::size_t i = 0; i < kLayerLinears; ++i) {
      for (const auto& [suffix, tensor] : made->linears[i]) {
        if (tensor.defined()) all.set(own[i].name + suffix, as_host(tensor));
      }
      if (own[i].bias) {
        const at::Tensor bias = as_torch(*model_.tensors.find(own[i].name + ".bias")).to(at::kFloat);
        all.set(own[i].name + ".bias", as_host(bias.clone()));
      }
    }
  }
  return all;
}

}  // namespace anemll
