// The methods out of the steps of rows.hpp.
#include "src/solve/solve.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/solve/internal/moments.hpp"
#include "src/solve/internal/rows.hpp"
#include "src/solve/internal/stored.hpp"

#include <string>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones.h>

namespace anemll {
namespace {

// Weights of columns in the fits that start from them, of the mean: columns that hardly count still get
// scales that fit them, and one column does not take all.
constexpr double kLeastWeight = 1e-3;
constexpr double kMostWeight = 50;

void check(const at::Tensor& weight, const LinearQuant& quant, const SolveMoments* moments,
           const at::Tensor& row_weight, const SolveOptions& options) {
  const std::string where = std::string("start ").append(choice_name(options.method));
  if (weight.dim() != 2 || weight.numel() == 0) throw_data("a weight is a matrix with entries", where, "");
  if (quant.type != "v2" || quant.lut_size < 2)
    throw_usage("this start is for layers of type v2", where, "leave the layer float, or give its type v2");
  if (options.method == StartMethod::svd) return;
  if (quant.force_positive_scales)
    throw_usage("absolute values of factors go with the start svd alone", where,
                "the scales of the other starts are positive without it: leave force_positive_scales out");
  if (!weight.isfinite().all().item<bool>())
    throw_numerics("a weight is not a number", where,
                   "the model's file is damaged: anemll_inspect check names it");
  const MomentsNeeded needed = moments_needed(options.method);
  if (needed != MomentsNeeded::none && moments == nullptr)
    throw_usage("this start needs the moments of the input", where, "calibrate first, or take the start als");
  if (needed == MomentsNeeded::full && !moments->parts().full())
    throw_usage("this start needs full moments, and there is only their diagonal", where,
                "calibrate with full moments, or take the start als-act");
  if (moments != nullptr && moments->parts().in != weight.size(1))
    throw_data(strf("the moments are of %lld inputs, the weight has %lld",
                    static_cast<long long>(moments->parts().in), static_cast<long long>(weight.size(1))),
               where, "calibrate with the same model");
  if (moments != nullptr && moments->parts().cross_of == CrossOf::outputs &&
      moments->parts().correction.defined() && moments->parts().correction.size(0) != weight.size(0))
    throw_data(strf("the cross moment is of %lld outputs, the weight has %lld",
                    static_cast<long long>(moments->parts().correction.size(0)),
                    static_cast<long long>(weight.size(0))),
               where, "");
  if (row_weight.defined() &&
      (row_weight.dim() != 1 || row_weight.size(0) != weight.size(0) ||
       !row_weight.isfinite().all().item<bool>() || row_weight.min().item().toDouble() < 0))
    throw_data("weights of rows are one number for each output, none negative", where, "");
}

/// All rows of one solve, and the best of what it came by.
class Solver {
 public:
  Solver(const at::Tensor& weight, const SolveMoments::Parts& moments, const at::Tensor& row_weight,
         const SolveOptions& options, Communicator& comm)
      : options_(options), pool_(weight.size(0), comm), rows_{pool_, moments, {}, {}, {}, {}} {
    rows_.target = units_of(weight);
    if (moments.correction.defined()) correct();
    rows_.counts = pool_.take(row_weight.defined() ? row_weight.to(at::kFloat) : at::ones({weight.size(0)}));
    rows_.counts.view({-1}).narrow(0, pool_.own_rows(), rows_.counts.numel() - pool_.own_rows()).zero_();
    output_ = target_output(rows_);
  }

  /// A start as the layer type makes it.
  void begin(const LayerDraft& draft) {
    const auto& t = draft.tensors;
    read_scales(rows_, {t.at(".scale_A"), t.at(".rank_magnitude"), t.at(".scale_B")});
    rows_.now.lut = t.at(".lut");
    rows_.now.code = units_of(t.at("._indices"));
  }

  void least_squares() {
    make_positive(rows_);
    const at::Tensor weight = options_.method == StartMethod::als
                                  ? at::ones({rows_.in()})
                                  : rows_.moments.diagonal.clamp(kLeastWeight, kMostWeight);
    for (int i = 0; i < options_.als_iterations; ++i) {
      choose_nearest(rows_);
      fit_a_even(rows_, weight);
      fit_b_even(rows_);
    }
    const StoredScales stored = store(rows_, options_.project);
    choose_nearest(rows_);
    note(stored);
  }

  void feedback() {
    choose_by_feedback(rows_);
    fit_a(rows_, options_.a_residual);
    note(store(rows_, options_.project));
  }

  void round() {
    choose(options_.sweeps);
    if (options_.fit_lut && rows_.now.lut.numel() <= kLargestFittedLut)
      fit_lut(rows_, options_.lut_iterations);
    if (options_.fit_b) fit_b(rows_, options_.b_iterations, options_.b_share);
    fit_a(rows_, options_.a_residual);
    const StoredScales stored = store(rows_, options_.project);
    choose(1);
    note(stored);
  }

  double error() const { return output_error(rows_).plain; }
  double output() const { return output_; }

  SolvedLinear best() const {
    SolvedLinear made;
    made.squared_error = least_;
    made.squared_output = output_;
    made.history = history_;
    made.draft.tensors = {{".scale_A", stored_.scale_A},
                          {".rank_magnitude", stored_.rank_magnitude},
                          {".scale_B", stored_.scale_B},
                          {".lut", lut_},
                          {"._indices", rows_of(code_)}};
    return made;
  }

 private:
  void choose(int sweeps) {
    if (options_.descend)
      descend(rows_, sweeps);
    else
      choose_by_feedback(rows_);
  }

  void note(const StoredScales& stored) {
    history_.push_back(error());
    if (history_.size() > 1 && !(history_.back() < least_)) return;
    least_ = history_.back();
    lut_ = rows_.now.lut;  // steps replace it
    code_ = rows_.now.code.clone();
    stored_ = stored;
  }

  /// [out, in] -> own [units, in, unit rows] in the order of the moments.
  at::Tensor units_of(const at::Tensor& whole) const {
    return pool_.take(whole.index_select(1, rows_.moments.order)).transpose(1, 2).contiguous();
  }
  at::Tensor rows_of(const at::Tensor& units) const {
    const at::Tensor mine = units.transpose(1, 2).contiguous().view({-1, units.size(1)});
    return pool_.gather(mine).index_select(1, rows_.moments.inverse).contiguous();
  }

  void correct() {
    if (rows_.moments.cross_of == CrossOf::outputs) {
      rows_.target.add_(pool_.take(rows_.moments.correction).transpose(1, 2));
      return;
    }
    pool_.for_units([&](std::int64_t u) {
      const at::Tensor target = rows_.target.select(0, u);
      target.add_(rows_.moments.correction.t().mm(target));
    });
  }

  const SolveOptions& options_;
  RowPool pool_;
  Rows rows_;
  double output_ = 0, least_ = 0;
  std::vector<double> history_;
  at::Tensor lut_, code_;
  StoredScales stored_;
};

}  // namespace

MomentsNeeded moments_needed(StartMethod method) {
  switch (method) {
    case StartMethod::svd:
    case StartMethod::als:
      return MomentsNeeded::none;
    case StartMethod::als_act:
      return MomentsNeeded::diagonal;
    case StartMethod::gptq:
    case StartMethod::cd:
      return MomentsNeeded::full;
  }
  throw_no_choice();
}

SolvedLinear solve_linear(const at::Tensor& weight, const LinearQuant& quant, const SolveMoments* moments,
                          const at::Tensor& row_weight, const SolveOptions& options, Communicator& comm) {
  const at::NoGradGuard no_grad;
  check(weight, quant, moments, row_weight, options);
  const LayerType& type = layer_type(quant.type);
  const bool svd = options.method == StartMethod::svd;
  if (svd && moments == nullptr) return {type.start(weight, quant, options.init), 0, 0, {}};
  const at::Tensor w = weight.detach().to(at::kFloat).contiguous();
  const SolveMoments even = even_moments(w.size(1));
  Solver solver(w, (moments == nullptr ? even : *moments).parts(), row_weight, options, comm);
  if (svd) {
    LayerDraft draft = type.start(weight, quant, options.init);
    solver.begin(draft);
    const double error = solver.error();
    return {std::move(draft), error, solver.output(), {error}};
  }
  solver.begin(type.start(w, quant, {.floor = SvdFloor::none}));
  solver.least_squares();
  if (moments_needed(options.method) == MomentsNeeded::full) solver.feedback();
  if (options.method == StartMethod::cd) {
    for (int i = 0; i < options.rounds; ++i) solver.round();
  }
  SolvedLinear made = solver.best();
  if (moments == nullptr) made.squared_error = made.squared_output = 0;
  return made;
}

}  // namespace anemll
