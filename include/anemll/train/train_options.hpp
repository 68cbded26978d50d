// Everything that `anemll_train` can be told, with its defaults. Names, defaults and meanings of the flags
// follow the Python reference; the table in train_options.cpp is the only place that spells them.
#pragma once

#include "anemll/core/options.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

struct TrainOptions {
  // Source: one of the two, or a state to resume.
  std::optional<std::string> v2_checkpoint;
  bool from_scratch = false;
  std::string model_id = "Qwen/Qwen3-0.6B";

  // Data and output.
  std::string cache_dir;
  std::string output_dir = "runs/v2_output";
  std::string order = "shuffle";
  std::int64_t seed = 0;

  // Quantisation.
  std::optional<std::string> config;
  std::optional<std::int64_t> mlp_lut, mlp_rank, attn_lut, attn_rank;
  std::int64_t group_size = 32;
  bool fast_init = false;
  std::string svd_floor = "reference";

  // Optimisation.
  std::int64_t max_steps = 1000;
  std::int64_t batch_size = 8;  ///< global sequences of one micro-step
  std::int64_t accumulation_steps = 1;
  double lr = 5e-5;
  std::int64_t warmup_steps = 100;
  bool constant_lr = false;
  double min_lr_ratio = 0.1;
  double clip_grad_norm = 1.0;
  double weight_decay = 0.0;

  // Loss.
  std::string kd_objective = "topk";
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

  // Numerics and speed.
  std::string dtype = "fp32";
  bool mixed_precision = true;
  std::string precision = "auto";
  std::string forward = "materialised";
  std::string ste = "auto";
  bool gradient_checkpointing = false;
  std::string device = "auto";
  std::int64_t threads = 0;
  double bucket_mib = 4;

  // Evaluation, logging, files.
  std::int64_t eval_steps = 100;
  std::int64_t eval_samples = 40;
  std::optional<std::string> eval_text;
  std::int64_t eval_ctx = 512;
  std::int64_t eval_chunks = 4;
  bool eval_text_always = false;
  std::optional<std::string> teacher_model;
  std::int64_t logging_steps = 20;
  std::int64_t save_steps = 0;
  std::int64_t state_steps = 0;
  std::int64_t keep_checkpoints = 0;
  std::string resume = "none";
  bool dry_run = false;
  bool strict = false;  ///< what is left out of the model's files is an error

  std::vector<std::string> given;  ///< names of the options that somebody set (OptionTable::given_names)
  bool is_given(const std::string& name) const;
};

/// Binds every option to `options`.
OptionTable make_train_table(TrainOptions& options);

/// Checks combinations that no single option can; usage errors.
void check_train_options(const TrainOptions& options);

}  // namespace anemll
