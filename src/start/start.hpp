// The quantised model before its first training step, made block by block out of the teacher and a text:
// each linear is fitted to the inputs that the quantised model itself gives it. What is made is held against
// the plain start (svd) on held-out sequences, and the better of the two is kept.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/quant/quant_spec.hpp"
#include "anemll/start/start_flags.hpp"
#include "src/calib/token_weights.hpp"
#include "src/score/divergence.hpp"
#include "src/solve/solve.hpp"
#include "src/student/student.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

/// Sequences of one length, the same on every rank.
struct StartText {
  at::Tensor ids;      ///< [N, L] int64, what is fitted to
  at::Tensor mask;     ///< [N, L] uint8, 1 where a token counts; undefined: all do
  at::Tensor holdout;  ///< [M, L] int64, what is only scored; undefined: nothing is compared
  at::Tensor holdout_mask;
};

/// How many sequences of `length` tokens a start takes of a source that has so many to fit to and to hold
/// out: those of `tokens` tokens, and an eighth as many to compare on.
struct StartRows {
  std::int64_t fitted = 0, held = 0;
};
StartRows start_rows(std::int64_t tokens, std::int64_t length, std::int64_t sequences,
                     std::int64_t holdout_sequences);

struct StartOptions {
  SolveOptions solve;  ///< the method and its numbers
  MomentOptions moments;
  TokenWeight token_weight = TokenWeight::norm;
  /// Each target makes up for a part of the error that comes from the blocks before (gptq and cd).
  bool correct_targets = false;
  /// Where finished blocks are kept, so that a stopped start goes on behind them; empty: nowhere. Rank 0's.
  std::filesystem::path blocks;
};

/// The method and numbers of the flags; the solver's defaults for the rest.
StartOptions start_options(const StartFlags& flags, const InitOptions& init);

/// All that the tensors of a start depend on (JSON): blocks of the same identity are the same.
std::string start_identity(const ModelFiles& model, const QuantSpec& spec, const StartText& text,
                           const StartOptions& options);

/// What became of one block.
struct BlockReport {
  /// Of each linear, in module order: ||Y - Y^|| / ||Y|| with the weighted tokens, Y what it is to give. NaN
  /// where the method looks at no inputs.
  std::vector<double> linears;
  /// Mean over the tokens of |y - y^|^2 / |y|^2: the stream behind the block against the teacher's.
  double stream = 0;
};

/// One start that was scored on the held-out sequences.
struct ScoredStart {
  std::string name;  ///< "cd"
  DivergenceSummary divergence;
};

/// Which of them to keep: that of the least mean divergence, the first of equal ones. One that is not a
/// number loses to any that is.
std::size_t best_start(std::span<const ScoredStart> starts);

struct MadeStart {
  Student student;
  std::string kept;                   ///< the method of `student`
  std::vector<ScoredStart> compared;  ///< in the order in which they were made; empty without a hold-out
  std::vector<BlockReport> blocks;    ///< empty for svd
};

/// Collective; the same bits on any number of ranks, as long as each has as many threads. The work is done on
/// the CPU, `device` is where the student will be. A signal is StopError on all ranks; finished blocks are
/// then kept. Usage errors: layers of another type than V2 or with positive scales, for which svd alone
/// works; no text.
MadeStart make_start(const ModelFiles& model, const QuantSpec& spec, const StartText& text,
                     const StartOptions& options, at::Device device, Communicator& comm);

}  // namespace anemll
