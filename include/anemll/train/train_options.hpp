// Everything that `anemll_train` can be told, with its defaults. Names, defaults and meanings of the flags
// follow the Python reference; the table in train_options.cpp is the only place that spells them.
#pragma once

#include "anemll/core/choices.hpp"
#include "anemll/core/options.hpp"
#include "anemll/data/order.hpp"
#include "anemll/datasets/dataset_flags.hpp"
#include "anemll/distill/kd_objective.hpp"
#include "anemll/model/compute_options.hpp"
#include "anemll/quant/layer_modes.hpp"
#include "anemll/start/start_flags.hpp"
#include "anemll/train/v1_options.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anemll {

/// The reference's name for the precision of a run.
enum class RunDtype { fp32, bf16, fp16 };

inline constexpr auto kRunDtypes = std::to_array<Choice<RunDtype>>({
    {RunDtype::fp32, "fp32"},
    {RunDtype::bf16, "bf16"},
    {RunDtype::fp16, "fp16"},
});
constexpr std::span<const Choice<RunDtype>> choices_of(RunDtype) {
  return kRunDtypes;
}

/// Rounding to half with straight-through gradients.
enum class SteChoice {
  automatic,  ///< on with RunDtype::fp32
  on,
  off,
};

inline constexpr auto kSteChoices = std::to_array<Choice<SteChoice>>({
    {SteChoice::automatic, "auto"},
    {SteChoice::on, "on"},
    {SteChoice::off, "off"},
});
constexpr std::span<const Choice<SteChoice>> choices_of(SteChoice) {
  return kSteChoices;
}

/// Which evaluation is the best of a run.
enum class BestBy {
  automatic,  ///< holdout with the exact objective where that is known, else loss
  loss,       ///< of the reference's metric on the first training rows
  holdout,    ///< of the divergence on held-out rows, mean over their data sets
};

inline constexpr auto kBestBy = std::to_array<Choice<BestBy>>({
    {BestBy::automatic, "auto"},
    {BestBy::loss, "loss"},
    {BestBy::holdout, "holdout"},
});
constexpr std::span<const Choice<BestBy>> choices_of(BestBy) {
  return kBestBy;
}

/// Where the ranks of other hosts than rank 0's find model, cache, source and state.
enum class StageChoice {
  none,   ///< where rank 0 finds them: all hosts share a folder
  local,  ///< in a folder of their own, into which rank 0 sends them
};

inline constexpr auto kStageChoices = std::to_array<Choice<StageChoice>>({
    {StageChoice::none, "none"},
    {StageChoice::local, "local"},
});
constexpr std::span<const Choice<StageChoice>> choices_of(StageChoice) {
  return kStageChoices;
}

/// What sums the gradients of several ranks.
enum class BackendChoice {
  automatic,  ///< NCCL between GPUs where the build has it, else MPI
  mpi,
  nccl,
};

inline constexpr auto kBackendChoices = std::to_array<Choice<BackendChoice>>({
    {BackendChoice::automatic, "auto"},
    {BackendChoice::mpi, "mpi"},
    {BackendChoice::nccl, "nccl"},
});
constexpr std::span<const Choice<BackendChoice>> choices_of(BackendChoice) {
  return kBackendChoices;
}

/// A batch size that is chosen by the memory that is free.
inline constexpr std::int64_t kAutoBatch = 0;

struct TrainOptions {
  // Source: one of the three, or a state to resume.
  std::optional<std::string> v1_checkpoint;  ///< V1 layers that become V2's
  std::optional<std::string> v2_checkpoint;
  bool from_scratch = false;
  std::string model_id = "Qwen/Qwen3-0.6B";
  std::string model_revision = "main";  ///< where model_id is a name on the hub

  // Data and output: a cache, or a text.
  std::string cache_dir;
  DatasetFlags dataset;
  std::int64_t max_length = 512;
  std::int64_t num_sequences = 20000;
  double holdout = 0.02;
  std::string output_dir = "runs/v2_output";
  OrderKind order = OrderKind::shuffle;
  std::int64_t seed = 0;

  // Quantisation.
  std::optional<std::string> config;
  std::optional<std::int64_t> mlp_lut, mlp_rank, attn_lut, attn_rank;
  std::optional<std::string> layer_overrides;  ///< JSON file
  bool expand_rank = false;                    ///< V1's ranks grow to those of the preset
  std::int64_t group_size = 32;
  bool fast_init = false;
  SvdFloor svd_floor = SvdFloor::reference;
  std::int64_t scale_bits = 16;  ///< 8: training computes with scales on 8-bit grids
  StartFlags start;              ///< of a run from scratch
  bool positive_scales = false;  ///< |A|, |B| and magnitudes that stay at or above 0

  // Optimisation.
  std::int64_t max_steps = 1000;
  std::int64_t patience = 0;    ///< evaluations in a row without a new best that end the run; 0: any number
  double max_time = 0;          ///< minutes after which the run ends; 0: never
  std::int64_t batch_size = 8;  ///< global sequences of one micro-step, or kAutoBatch until a run starts
  std::int64_t accumulation_steps = 1;
  double lr = 5e-5;
  std::int64_t warmup_steps = 100;
  bool constant_lr = false;
  double min_lr_ratio = 0.1;
  double clip_grad_norm = 1.0;
  double weight_decay = 0.0;
  bool shard_optimizer = false;  ///< each rank keeps its share of the moments

  // Loss.
  KdObjective kd_objective;
  double temperature = 2.0;
  double hard_top1 = 0.2;
  std::optional<double> hard_top1_end;
  double hard_full = 5e-5;
  bool no_full_logits = false;
  double sampled_ce_weight = 0.0;
  std::int64_t sampled_negatives = 64;

  // What is trained.
  bool g_only = false;
  bool mlp_only = false;
  bool attn_only = false;
  bool freeze_mags = false;
  bool freeze_mags_mlp = false;
  bool train_norms_only = false;
  bool freeze_all = false;  ///< no step: the source with its scales rounded to half

  // Numerics and speed.
  RunDtype dtype = RunDtype::fp32;
  bool mixed_precision = true;
  Precision precision = Precision::automatic;
  ForwardMode forward = ForwardMode::materialised;
  SteChoice ste = SteChoice::automatic;
  bool gradient_checkpointing = false;
  DeviceChoice device = DeviceChoice::automatic;
  BackendChoice backend = BackendChoice::automatic;
  std::int64_t threads = 0;
  double bucket_mib = 4;
  double memory_limit = 0;  ///< GiB for the ranks of a host together; 0: what is free
  bool force = false;       ///< start although the memory plan does not fit

  // Evaluation, logging, files.
  std::int64_t eval_steps = 100;
  std::int64_t eval_samples = 40;
  BestBy best_by = BestBy::automatic;
  std::optional<std::string> eval_text;
  std::int64_t eval_ctx = 512;
  std::int64_t eval_chunks = 4;
  bool eval_text_always = false;
  std::optional<std::string> sample_prompts;  ///< file of prompts that the student answers at evaluations
  std::int64_t sample_tokens = 48;            ///< of an answer at most
  std::optional<std::string> teacher_model;
  std::string teacher_revision = "main";  ///< where teacher_model is a name on the hub
  std::int64_t logging_steps = 20;
  std::int64_t save_steps = 0;
  std::int64_t state_steps = 0;
  std::int64_t inspect_steps = 0;
  std::int64_t keep_checkpoints = 0;
  bool wandb = false;  ///< an offline run of W&B in the output folder
  std::string wandb_project = "qwen3-qat";
  std::string wandb_run = "auto";    ///< its name; auto: the output folder's
  bool tensorboard = false;          ///< event files in the output folder
  std::optional<std::string> trace;  ///< file of the run's timeline
  double init_timeout = 600, step_timeout = 120, work_timeout = 1800;  ///< seconds, see comm's WatchLimits
  StageChoice stage = StageChoice::none;
  std::optional<std::string> stage_dir;  ///< none: a folder of the user's among temporary files
  std::int64_t straggler_steps = 100;
  std::int64_t check_replicas = 0;  ///< steps; 0: when something is saved
  std::string resume = "none";
  bool dry_run = false;
  bool strict = false;  ///< what is left out of the model's files is an error

  std::optional<V1Options> v1;  ///< the run trains V1 layers

  std::vector<std::string> given;  ///< names of the options that somebody set (OptionTable::given_names)
  bool is_given(const std::string& name) const;
  std::vector<std::string> command;  ///< of the program (OptionTable::command); empty where a caller trains
  /// The checkpoint that the run starts from, of V1 or V2.
  const std::optional<std::string>& source_file() const;
};

/// Binds every option to `options`.
OptionTable make_train_table(TrainOptions& options);

/// The defaults of anemll_train_v1, and its options bound to them.
TrainOptions v1_defaults();
OptionTable make_train_v1_table(TrainOptions& options);
/// After parsing: what --init-state names becomes the run's source, and a folder that it or --v1-checkpoint
/// names becomes the file in it. Data error for a folder without one.
void settle_v1_source(TrainOptions& options);

/// After parsing: a text in the place of a cache is trained on with the exact objective, unless another was
/// chosen.
void settle_text(TrainOptions& options);

/// Checks combinations that no single option can; usage errors.
void check_train_options(const TrainOptions& options);

}  // namespace anemll
