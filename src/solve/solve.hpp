// One linear's start from its weight and the second moments of its inputs: indices, table and scale factors
// of W^ = lut[indices] o (scale_A diag(rank_magnitude) scale_B) with a small output error tr(E H E^T), where
// E = W - W^ and H = E[x x^T]. Runs on the CPU. The rows are spread over the ranks of a communicator; the
// result has the same bits for any number of ranks and threads. Collective: every rank makes the same calls.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/core/choices.hpp"
#include "anemll/quant/quant_spec.hpp"
#include "src/quant/layer_type.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

/// Each is made from the one above it, and is at least as good by its own measure.
enum class StartMethod {
  svd,      ///< group maxima and their singular value decomposition: the layer type's own start
  als,      ///< indices, A and B in turns by least squares on the weight
  als_act,  ///< the same with each column weighted by the mean square of its input
  gptq,     ///< indices by error feedback, then A by least squares with all of H
  cd        ///< gptq, then rounds of: each index against all others, A, B and the table with all of H
};

inline constexpr auto kStartMethods = std::to_array<Choice<StartMethod>>({
    {StartMethod::svd, "svd"},
    {StartMethod::als, "als"},
    {StartMethod::als_act, "als-act"},
    {StartMethod::gptq, "gptq"},
    {StartMethod::cd, "cd"},
});
constexpr std::span<const Choice<StartMethod>> choices_of(StartMethod) {
  return kStartMethods;
}

/// What a method looks at: nothing, the diagonal of H, or all of H.
enum class MomentsNeeded { none, diagonal, full };
MomentsNeeded moments_needed(StartMethod method);

struct MomentOptions {
  /// Of the mean diagonal, added to the diagonal of H where indices are chosen by error feedback and where
  /// the target is corrected.
  double damp = 0.01;
  /// Of the mean diagonal, added to H in every other step: an input that never was seen (H_jj = 0) still
  /// wants its weight to be near. Errors are told without it.
  double ridge = 1e-3;
  /// a of the corrected target: W* = W + a W C (H + damp)^-1 with a cross moment C of inputs, W* = W + a D (H
  /// + damp)^-1 with one of outputs, D. Used where one is given.
  double correction = 0.5;
};

/// What a cross moment holds an input against.
enum class CrossOf { inputs, outputs };

/// The moments of an input, decomposed once for all linears that share the input (q, k and v; gate and up).
/// Not collective: every rank makes its own from the same tensors.
class SolveMoments {
 public:
  /// `second`: double [in, in], symmetric, or its diagonal [in]. The scale of H does not matter. `cross`:
  /// what is missing against x, the input that the linear will see, or undefined. Double: of inputs [in, in],
  /// C = E[(x_teacher - x) x^T]; of outputs [out, in], D = E[d x^T] with d what the output of the float
  /// weight lacks, for the only linear with this input. Numerics error, naming `where`, when a moment is not
  /// finite or a diagonal entry is negative.
  SolveMoments(const at::Tensor& second, const at::Tensor& cross, const MomentOptions& options,
               const std::string& where, CrossOf cross_of = CrossOf::inputs);

  struct Parts;
  const Parts& parts() const { return *parts_; }

 private:
  std::shared_ptr<const Parts> parts_;  // shared: cheap copies
};

/// Moves factors onto what a file can hold (a grid of 8 bits, say), in place: scale_A float [out, r] with
/// unit columns, rank_magnitude float [r], scale_B float [r, in] with unit rows. Called with the whole
/// tensors on every rank, several times a solve; it must give the same on every rank, and leave values alone
/// that it made itself. Undefined: nothing is moved.
using ScaleProjection =
    std::function<void(at::Tensor& scale_A, at::Tensor& rank_magnitude, at::Tensor& scale_B)>;

struct SolveOptions {
  StartMethod method = StartMethod::cd;
  int rounds = 3;         ///< of cd
  int sweeps = 2;         ///< over all indices, each round
  int b_iterations = 12;  ///< of conjugate gradients for B, each round, at most
  /// Those for B end when one lowers the error by less than this share of what all have, and those for A when
  /// so much of a row's squared residual is left. Rounds go on from there: closer costs time and gains
  /// nothing.
  double b_share = 0.05, a_residual = 0.01;
  int lut_iterations = 4;  ///< of conjugate gradients for the table, each round
  int als_iterations = 4;  ///< of als and als-act, and of the start of gptq and cd
  /// The steps of a round of cd, to see what each is worth. Without descent indices are chosen by error
  /// feedback again. A table is fitted where it has at most kLargestFittedLut entries.
  bool descend = true, fit_b = true, fit_lut = true;
  InitOptions init;  ///< of svd, passed on
  ScaleProjection project;
};

inline constexpr std::int64_t kLargestFittedLut = 16;

struct SolvedLinear {
  /// As the layer type makes layers from: .scale_A, .scale_B, .rank_magnitude, .lut, ._indices. On every
  /// rank.
  LayerDraft draft;
  /// tr(E H E^T) of what was made, tr(W H W^T), each row counted by its weight. W is the corrected target.
  /// Zero without moments.
  double squared_error = 0, squared_output = 0;
  /// squared_error after the start by als-act, after gptq, after each round of cd. The smallest was kept.
  std::vector<double> history;
};

/// `weight` [out, in], any float type, on the CPU. `quant`: type v2; lut_size, rank and group_size are used.
/// `moments`: null where the method needs none, then errors are not told. `row_weight`: double [out], what an
/// error of this output counts against others in the fits of B and of the table, or undefined: all the same.
///
/// For all methods but svd every scale is at least kSmallestPositiveScale, also where the factors are rounded
/// to halves as exports round them, and no factor is beyond the range of halves. Usage error for what does
/// not fit together, numerics error for a weight that is not finite or whose scales are beyond halves; the
/// same on every rank.
SolvedLinear solve_linear(const at::Tensor& weight, const LinearQuant& quant, const SolveMoments* moments,
                          const at::Tensor& row_weight, const SolveOptions& options, Communicator& comm);

}  // namespace anemll
