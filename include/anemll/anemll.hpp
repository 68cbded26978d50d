// The C++ API: a model, and what is done to one. Ten functions carry the names of the Python reference's
// functions and mean what those mean; under "Source" stands the function that is meant, and what is
// different.
//
// Errors: everything that is thrown is an anemll::Error: its problem, where, a hint, and a code (error.hpp):
// usage for arguments that cannot be served, data for files and models, communication, numerics for values
// that are no numbers. What throws leaves the model as it was unless said otherwise.
//
// Output: nothing is printed. set_log_sink takes what would be log lines; without a sink they are dropped.
//
// Threads: one at a time per model. LibTorch's own threads are the caller's matter (at::set_num_threads), but
// train_e2e sets them as its `threads` says. No signal handlers are installed, and MPI is not started.
//
// Tensors: shapes stand in brackets: B sequences, L tokens, V vocabulary, [out, in] of a linear, r ranks of
// its scales, n table entries. Callers that pass or take tensors include LibTorch's headers themselves.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/log_sink.hpp"
#include "anemll/export/ane_layouts.hpp"
#include "anemll/model/compute_options.hpp"
#include "anemll/quant/layer_modes.hpp"
#include "anemll/snap/snap_format.hpp"
#include "anemll/train/train_options.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace at {
class Tensor;
}

namespace anemll {

struct ModelOptions {
  std::string revision = "main";  ///< where the model is a name on the hub
  DeviceChoice device = DeviceChoice::automatic;
  int local_rank = 0;   ///< of this process on its host: picks the GPU
  bool strict = false;  ///< what is left out of the model's files is an error
};

/// A decoder of a known family, first with the weights of its files, later with V2 layers in the place of its
/// linears.
class Model {
 public:
  /// `name`: a folder of Hugging Face's layout, a .gguf file, or org/name on the hub (the hub's cache, else a
  /// download). Data errors name file and remedy.
  static Model open(const std::string& name, const ModelOptions& options = {});

  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  /// Its linears are V2 layers.
  bool quantised() const;
  /// Names of the linears of its body, in order: "model.layers.0.self_attn.q_proj".
  std::vector<std::string> linears() const;
  /// What a linear multiplies by, [out, in] float32: of a V2 layer table value times scale. Usage error for a
  /// name that is none.
  at::Tensor weight(const std::string& linear) const;
  /// input_ids [B, L] int64 -> [B, L, V] float32. Usage errors for another shape or type, and for an id
  /// outside of the vocabulary.
  at::Tensor logits(const at::Tensor& input_ids) const;
  /// The quantised model under the reference's keys as a .pt file, and config.json beside it. Usage error for
  /// a model that is not quantised, and where one of the two files exists.
  void save(const std::filesystem::path& file) const;

  /// For the functions below.
  struct Impl;
  Impl& impl() const;

 private:
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The names and defaults of anemll_train's flags.
struct ReplaceOptions {
  std::optional<std::string> config;  ///< preset; none: q2a4
  std::optional<std::int64_t> mlp_lut, mlp_rank, attn_lut,
      attn_rank;                               ///< entries of a table, ranks of the scales
  std::optional<std::string> layer_overrides;  ///< JSON file
  std::int64_t group_size = 32;                ///< columns with one scale at the start
  SvdFloor svd_floor = SvdFloor::reference;
  bool fast_init = false;        ///< rank-one start without a decomposition
  bool positive_scales = false;  ///< |A|, |B| and magnitudes that stay at or above 0
  bool ste = true;               ///< forwards round to half what FP16 hardware will round (ste_fp16)
};

/// Replaces every linear of the body by a V2 layer: W [out, in] ~ Q o (A diag(g) B) with A [out, r], B [r,
/// in], g [r]. Scales start from the weight. Q is chosen by weight and scales, and becomes final by
/// freeze_Q_all. Returns the number of linears. Usage errors for an unknown preset, and for a model that is
/// quantised already.
///
/// Source: replace_linear_with_anemll_v2. Embedding and head stay; skip_init is fast_init.
std::int64_t replace_linear_with_anemll_v2(Model& model, const ReplaceOptions& options = {});

/// Chooses the table index of every weight, uint8 [out, in], by the float weight and the present scales: the
/// nearest entry to W / S. Training needs it. Returns the number of layers. Usage errors for a model without
/// V2 layers and for one whose float weights are gone (a baked snap).
///
/// Source: freeze_Q_all.
std::int64_t freeze_Q_all(Model& model);

struct LoadedCheckpoint {
  std::int64_t layers = 0;  ///< V2 layers
  std::int64_t with_q = 0;  ///< of them, those whose _Q is in the file
};
/// Takes scales, tables, indices, and what else of the model is in it, out of a V2 checkpoint (.pt of
/// training or of a snap, packed .safetensors). The file's shapes decide about tables and ranks. Data errors
/// for missing or misshapen keys, for tensors that are not finite, and where a quantised model has other
/// tables or ranks.
///
/// Source: load_v2_checkpoint. Forwards round nothing, unless the linears were replaced with `ste` before. _Q
/// and _indices must agree; where they do not, _Q counts and that is told. A nested model_state_dict is
/// found.
LoadedCheckpoint load_v2_checkpoint(Model& model, const std::filesystem::path& file);

/// What a run did.
struct TrainResult {
  bool complete = true;        ///< false: a signal made it save a state and leave; resume = "auto" goes on
  std::int64_t steps = 0;      ///< optimiser steps, those before a resume among them
  std::int64_t best_step = 0;  ///< whose weights best_state_dict.pt holds
  double initial_loss = 0;     ///< KD losses of the evaluations, nats a token; NaN without any
  double last_loss = 0;
  double best_loss = 0;
  double seconds = 0;
};
/// Trains the scales of `model` end to end against a KD cache, as anemll_train does with these flags:
/// `options` has a field for each of them. Writes a run's files into options.output_dir; what an earlier run
/// left there steps aside. The model then has the last weights, also when something is thrown on the way. A
/// run in which nothing goes on ends the process with code 4, as the time-outs among the fields say. Usage
/// errors for values that a flag does not take, for fields that name a source or its quantisation (the model
/// is the source), and before freeze_Q_all.
///
/// Source: train_e2e, and the defaults of train_v2_simple.py.
TrainResult train_e2e(Model& model, const TrainOptions& options);
/// The same on the ranks of `comm`, all of which call it with equal models and options. `host`: where this
/// process stands among those of its host; it picks the GPU and shares out threads.
TrainResult train_e2e(Model& model, const TrainOptions& options, Communicator& comm,
                      const MpiRuntime::Host& host);

struct EvaluateOptions {
  std::int64_t samples = 40;  ///< sequences from the cache's start
  double temperature = 2;
  std::optional<std::filesystem::path>
      work_dir;  ///< where .pt shards are imported, once; none: for this call
};
/// The mean over sequences of their mean KD loss, T^2 KL(teacher || model) over the cached candidates, in
/// nats a token; without hard labels, in float32. `cache_dir`: an HDF5 folder or file, or .pt shards. NaN
/// when the model gives NaN. Works for a model that is not quantised too. Data errors for a cache of another
/// vocabulary.
///
/// Source: evaluate_kd_loss. Padded positions do not count here.
double evaluate_kd_loss(Model& model, const std::filesystem::path& cache_dir,
                        const EvaluateOptions& options = {});

/// The names and defaults of anemll_snap's flags, but that fp16 is on.
struct AneSnapOptions {
  std::string output;  ///< folder or file; empty: nothing is written
  bool fp16 = true;    ///< floats of the layers as saturated fp16
  AneLayout layout = AneLayout::universal;
  SnapFormat format = SnapFormat::torch;
  bool positive_scales = false;          ///< fit factors and indices anew until no scale is below 1e-6
  std::int64_t scale_bits = 16;          ///< or 8: scales on an 8-bit grid
  std::optional<std::string> cache_dir;  ///< to score the file with; none: weights are compared
  std::int64_t samples = 40;
};
struct AneSnap {
  std::int64_t layers = 0;
  std::filesystem::path file;                           ///< empty: nothing was written
  double weight_error = 0;                              ///< ||W_file - W|| / ||W||, over all linears
  std::optional<double> trained_kd_loss, file_kd_loss;  ///< nats a token, with a cache
  std::string report;                                   ///< for people, the text of anemll_snap
};
/// Rounds scales, tables and Q to half in the layout of the ANEMLL converters, and reads the result as they
/// do. The model then is what the file holds. With an output it writes what anemll_snap writes, byte for
/// byte: the file, config.json and snap_report.json. Usage errors for an output folder that holds a model or
/// the checkpoint. Numerics errors, after writing, for values beyond half and for a file that is not the
/// trained model; the model is then as it was, but for scales that were fitted anew.
///
/// Source: snap_model_for_ane_v2. The universal layout bakes magnitudes into A, so that all consumers agree;
/// AneLayout::reference is the reference's own. Casts saturate.
AneSnap snap_model_for_ane_v2(Model& model, const AneSnapOptions& options = {});

/// Rounds everything but embedding and head to half, saturating: the model then is what a run's
/// v2_*_fp16_*.pt holds. Returns the number of V2 layers. Usage error for a model without them; numerics
/// error for values that are no numbers.
///
/// Source: convert_model_to_fp16_v2. Tables of other entries than the default ones stay.
std::int64_t convert_model_to_fp16_v2(Model& model);

/// The nearest half of every value, clamped to +-65504, in the type and shape of `x`; NaN stays. The gradient
/// is that of the identity, also where a value was clamped. float16 is returned as it is. Usage error for a
/// tensor that is not floating.
///
/// Source: ste_fp16.
at::Tensor ste_fp16(const at::Tensor& x);

/// How V2 layers multiply outside of training: rank by rank, y = sum_k g_k a_k o (Q (b_k o x)) (true), or by
/// one product with the weight made of them (false, the start). Returns the number of layers. Usage error for
/// a model without them.
///
/// Source: set_factored_inference_v2, where true is the start.
std::int64_t set_factored_inference_v2(Model& model, bool enabled);

/// Whether the factored form takes all ranks in one product (true) or one after the other (false); nothing:
/// all at once from rank 16 on, the start. Returns the number of layers. Usage error for a model without
/// them.
///
/// Source: set_batched_forward_v2.
std::int64_t set_batched_forward_v2(Model& model, std::optional<bool> enabled);

}  // namespace anemll
