// The options table of anemll_train.
#include "anemll/train/train_options.hpp"

#include "anemll/core/error.hpp"
#include "anemll/quant/presets.hpp"
#include "src/core/common_options.hpp"
#include "src/datasets/mixture.hpp"
#include "src/distill/objective.hpp"
#include "src/hub/hub_options.hpp"
#include "src/quant/scale_grid.hpp"
#include "src/solve/solve.hpp"
#include "src/student/layer_overrides_option.hpp"
#include "src/train/internal/option_groups.hpp"
#include "src/train/internal/start_by_text.hpp"

#include <algorithm>
#include <limits>

namespace anemll {
namespace {

constexpr std::int64_t kMany = std::numeric_limits<std::int64_t>::max();
constexpr double kAny = std::numeric_limits<double>::max();

void add_source(OptionTable& t, TrainOptions& o) {
  t.group("Source (one of the three)");
  t.add_flag("from-scratch", &o.from_scratch, "quantise the model itself, as --init says");
  t.add("v2-checkpoint", &o.v2_checkpoint, "continue from the scales and indices of a V2 checkpoint (.pt)");
  t.add("v1-checkpoint", &o.v1_checkpoint,
        "convert a V1 checkpoint and train on: a .pt file, or a folder with model_state_dict.pt or "
        "best_state_dict.pt");
  t.add_refused("v1", false, "V1 layers have a program of their own", "run anemll_train_v1 instead");
  add_model_option(t, "model-id", &o.model_id, "model: folder, .gguf file, or org/name on the hub");
  add_revision_option(t, "model-revision", &o.model_revision, "the model");
}

void add_quantisation(OptionTable& t, TrainOptions& o) {
  t.group("Quantisation");
  t.add("config", &o.config,
        (std::string("preset: ") += preset_words()) + " (default: from the checkpoint's shapes, else q2a4)");
  t.add("mlp-lut", &o.mlp_lut, "LUT entries of MLP linears", 2, 256);
  t.add("mlp-rank", &o.mlp_rank, "scale rank of MLP linears", 1, 4096);
  t.add("attn-lut", &o.attn_lut, "LUT entries of attention linears", 2, 256);
  t.add("attn-rank", &o.attn_rank, "scale rank of attention linears", 1, 4096);
  add_layer_overrides_option(t, &o.layer_overrides);
  t.add_flag("expand-rank", &o.expand_rank,
             "with --v1-checkpoint: its scale ranks grow to those of --config or --mlp-rank and --attn-rank");
  t.add("group-size", &o.group_size, "columns per block in the first estimate of the scales", 1, 1 << 20);
  t.add_choice("svd-floor", &o.svd_floor, "floor under the singular values at init");
  t.add_flag("fast-init", &o.fast_init, "rank-1 scale init from group means instead of the SVD");
  t.add("scale-bits", &o.scale_bits,
        "8: training computes with its scales on the 8-bit grids of anemll_snap --scale-bits 8, so that this "
        "snap "
        "costs nothing; gradients pass as if nothing was rounded. 16: as they are",
        8, 16);
  add_start_options(t, &o.start);
  t.add_flag(
      "positive-scales", &o.positive_scales,
      "no scale becomes negative, for programs that clamp scales: the factors are |scale_A| and "
      "|scale_B| (force_positive_scales in config.json), start without a negative entry, and magnitudes "
      "are kept at 0 or above; from scratch, or from a checkpoint that was trained so");
}

void add_trainable(OptionTable& t, TrainOptions& o) {
  t.group("What is trained (default: scale_A, scale_B and rank_magnitude of every linear)");
  t.add_flag("g-only", &o.g_only, "rank magnitudes only");
  t.add_flag("mlp-only", &o.mlp_only, "MLP linears only");
  t.add_flag("attn-only", &o.attn_only, "attention linears only");
  t.add_flag("freeze-mags", &o.freeze_mags, "round all magnitudes to half once and freeze them");
  t.add_flag("freeze-mags-mlp", &o.freeze_mags_mlp, "the same for the MLP's only");
  t.add_flag("train-norms-only", &o.train_norms_only, "layer norms and the final norm only");
  t.add_flag("freeze-all", &o.freeze_all,
             "nothing: the source's scales and magnitudes are rounded to half and saved, without a step");
}

}  // namespace

void add_data(OptionTable& t, TrainOptions& o) {
  t.group("Data and output");
  t.add("cache-dir", &o.cache_dir,
        "KD cache: HDF5 folder, .h5 file, or a folder of reference .pt shards (imported once); or "
        "--dataset_name, a text");
  t.add("output-dir", &o.output_dir,
        "folder for checkpoints and logs; what an earlier run left there moves to earlier-<n> in it");
  t.add_choice("order", &o.order, "sample order");
  t.add("seed", &o.seed,
        o.v1 ? "seed of sample order and sampled negatives"
             : "seed of sample order, sampled negatives and the directions of --expand-rank",
        0, kMany);
}

void add_text(OptionTable& t, TrainOptions& o) {
  t.group("Text in the place of a cache (with --teacher-model, which is run on each batch)");
  add_dataset_options(t, o.dataset);
  t.add("max_length", &o.max_length, "tokens per sequence", 2, 1 << 20);
  t.add("num_sequences", &o.num_sequences, "sequences to train on, if there is as much text", 1,
        std::int64_t{1} << 40);
  t.add("holdout", &o.holdout, "share of the documents kept out of training, for evaluation", 0, 0.5);
}

void add_optimisation(OptionTable& t, TrainOptions& o) {
  t.group("Optimisation");
  t.add("max-steps", &o.max_steps, "optimiser steps", 1, kMany);
  t.add(
      "patience", &o.patience,
      "end the run, with all its files, behind this many evaluations in a row that are no new best; 0: never",
      0, kMany);
  t.add("max-time", &o.max_time,
        "end the run, with all its files, after the step in which it is this many minutes old; 0: never", 0,
        kAny);
  t.add("batch-size", &o.batch_size,
        "sequences of one micro-step, over all ranks; auto: the most that the free memory holds", 1, 1 << 20);
  t.add_word("batch-size", "auto", kAutoBatch);
  t.add("accumulation-steps", &o.accumulation_steps, "micro-steps per optimiser step", 1, 1 << 20);
  t.add("lr", &o.lr, "peak learning rate", 0, kAny);
  t.add("warmup-steps", &o.warmup_steps, "steps of linear warm-up (the first update has rate 0)", 0, kMany);
  t.add_flag("constant-lr", &o.constant_lr, "no cosine decay after the warm-up");
  t.add("min-lr-ratio", &o.min_lr_ratio, "end of the cosine, as a share of the peak", 0, 1);
  t.add("clip-grad-norm", &o.clip_grad_norm, "limit of the global gradient norm; 0 disables", 0, kAny);
  t.add("weight-decay", &o.weight_decay, "decoupled weight decay", 0, kAny);
  t.add_flag("shard-optimizer", &o.shard_optimizer,
             "each rank keeps only its share of the moments; changes no result");
}

void add_loss(OptionTable& t, TrainOptions& o) {
  t.group("Loss");
  t.add_choice("kd-objective", &o.kd_objective, std::string("distillation term: ") += objectives_in_words());
  t.add("temperature", &o.temperature, "distillation temperature", 1e-3, 1e3);
  t.add("hard-top1", &o.hard_top1, "weight of the cross-entropy to the teacher's first choice", 0, kAny);
  t.add("hard-top1-end", &o.hard_top1_end, "anneal --hard-top1 linearly to this value", 0, kAny);
  t.add("hard-full", &o.hard_full, "added to --hard-top1; kept for scripts of the Python version", 0, kAny);
  t.add_flag("no-full-logits", &o.no_full_logits, "candidates only: both hard weights become 0");
  t.add("sampled-ce-weight", &o.sampled_ce_weight,
        "weight of the cross-entropy over candidates and sampled negatives", 0, kAny);
  t.add("sampled-negatives", &o.sampled_negatives, "negatives a token for --sampled-ce-weight", 1, 1 << 20);
}

void add_numerics(OptionTable& t, TrainOptions& o) {
  t.group("Numerics and speed");
  if (!o.v1) {
    t.add_choice("forward", &o.forward,
                 "how V2 linears compute; auto is the reference's rule (batched from rank 16, else loop)");
    t.add_choice(
        "ste", &o.ste,
        "half rounding with straight-through gradients; auto: on, but off with --dtype bf16 or fp16");
  }
  t.add_choice("precision", &o.precision,
               std::string("GEMM precision; auto: bf16 where the hardware has it and ") +=
               o.v1 ? "--dtype is not fp32" : "--mixed-precision holds");
  if (o.v1) {
    t.add_choice("dtype", &o.dtype,
                 "bf16: bf16 GEMMs where the hardware has them; weights and moments are fp32 in any case");
  } else {
    t.add_switch("mixed-precision", &o.mixed_precision,
                 "allow bf16 GEMMs (parameters and evaluation stay fp32)");
    t.add_choice("dtype", &o.dtype,
                 "label in file names; bf16 and fp16 turn --ste auto off; compute type: --precision");
  }
  t.add_flag("gradient-checkpointing", &o.gradient_checkpointing, "recompute each layer in backward");
  add_device_option(t, &o.device);
  t.add_choice(
      "backend", &o.backend,
      "what sums the gradients of several ranks; auto: NCCL between GPUs where the build has it, else MPI, "
      "which copies those of a GPU to the host");
  add_threads_option(t, &o.threads);
  t.add("bucket-mib", &o.bucket_mib, "gradient bucket size; 0: one bucket after backward", 0, 1 << 20);
  t.add("memory-limit", &o.memory_limit,
        "GiB that the ranks of a host may use together; 0: what is free, also by control group", 0, 1 << 20);
  t.add_flag("force", &o.force,
             "start although the memory plan does not fit, or the KD cache is another vocabulary's");
}

void add_files(OptionTable& t, TrainOptions& o) {
  t.group("Evaluation, logging, checkpoints");
  t.add("eval-steps", &o.eval_steps, "steps between evaluations; 0: only at start and end", 0, kMany);
  t.add("eval-samples", &o.eval_samples,
        "evaluate on the first N training sequences and at most N held-out ones; 0: never evaluate", 0,
        kMany);
  t.add_choice(
      "best-by", &o.best_by,
      "which evaluation is the best, the start included; loss: on the first training sequences, as the "
      "reference; holdout: of the least KL on held-out sequences, each of their data sets counting "
      "alike; auto: holdout with --kd-objective exact where that KL is known, else loss");
  t.add("eval-text", &o.eval_text,
        "UTF-8 text on which the divergence from the teacher is scored at start and end");
  t.add("eval-ctx", &o.eval_ctx, "tokens of a chunk of --eval-text; its second half is scored", 4, 1 << 20);
  t.add("eval-chunks", &o.eval_chunks, "chunks of --eval-text, from its start; 0: all", 0, 1 << 20);
  t.add_flag("eval-text-always", &o.eval_text_always, "score --eval-text at every evaluation");
  t.add(
      "sample-prompts", &o.sample_prompts,
      "lines {\"prompt\": \"...\"} that the student answers at each evaluation, greedily; the answers stand "
      "in every log but the table of training_log.csv");
  t.add("sample-tokens", &o.sample_tokens, "tokens of such an answer at most", 1, 4096);
  add_model_option(
      t, "teacher-model", &o.teacher_model,
      "the full model, run beside the student. Evaluations measure against it, and --dataset_name needs it. "
      "Where "
      "--kd-objective needs hidden states that the cache has not, it is run on every batch. Without it, "
      "--eval-text is held against --model-id");
  add_revision_option(t, "teacher-revision", &o.teacher_revision, "--teacher-model");
  t.add("logging-steps", &o.logging_steps, "steps between log lines", 1, kMany);
  t.add("save-steps", &o.save_steps,
        "steps between checkpoints, each a state and a .pt; 0: at new bests, at the end and on a signal only",
        0, kMany);
  t.add("state-steps", &o.state_steps,
        "steps between states without a .pt, from which a killed run goes on; 0: as --save-steps", 0, kMany);
  t.add("keep-checkpoints", &o.keep_checkpoints, "checkpoint_step files to keep, by step; 0: all", 0, kMany);
  t.add("inspect-steps", &o.inspect_steps,
        "steps between looks at every quantised layer (errors of weight and output, indices, scales, norms, "
        "gradients), in metrics.jsonl; 0: none",
        0, kMany);
  t.add_alias("inspect-steps", "every");
  t.add(
      "trace", &o.trace,
      "write the timeline of the run here when it ends, for chrome://tracing or ui.perfetto.dev; of several "
      "ranks each writes its own, NAME.rank0.json and so on");
  t.add("resume", &o.resume,
        "none, auto (the newest valid state in the output folder, if any), or a state folder or a folder "
        "that holds some (run/state/step_..., run/earlier-1)");
  add_strict_option(t, &o.strict, "the model's files");
  t.add_flag("dry-run", &o.dry_run, "check everything, print the memory plan, stop before step 1");
  t.add_flag(
      "wandb", &o.wandb,
      "keep an offline run of Weights & Biases in the output folder; the last line says how to upload it");
  t.add("wandb-project", &o.wandb_project, "its project");
  t.add("wandb-run", &o.wandb_run, "its name; auto: that of the output folder");
  t.add_flag("tensorboard", &o.tensorboard, "write event files for TensorBoard into the output folder");
  const std::string drive = "a run does not copy its files elsewhere";
  const std::string save = "after it: bash launch/save_to_drive.sh RUN_FOLDER NAME";
  t.add_refused("upload", false, drive, save);
  t.add_refused("upload-all", false, drive, save);
  t.add_refused("upload-exclude", true, drive, save);
  t.add_refused("gdrive-dir", true, drive, save + ", with ANEMLL_DRIVE=FOLDER");
}

void add_watch(OptionTable& t, TrainOptions& o) {
  t.group("Watching the ranks (a job in which nothing goes on is ended with code 4; 0: never)");
  t.add("init-timeout", &o.init_timeout,
        "seconds without a sign of life (a log line, progress, a word between ranks) before the first step",
        0, kAny);
  t.add("step-timeout", &o.step_timeout,
        "the same within a part of a step; at least ten times the median step counts", 0, kAny);
  t.add("work-timeout", &o.work_timeout,
        "the same in evaluations, while files are written, and while rank 0 works for all", 0, kAny);
  t.add_choice(
      "stage", &o.stage,
      "how ranks of other hosts than rank 0's get model, cache, source and state; none: from the same path, "
      "in a folder that all hosts share; local: rank 0 sends them over, once, and their SHA-256 is checked");
  t.add("stage-dir", &o.stage_dir,
        "where they lie then, under a name made of their content (default: anemll_stage_<user> in the folder "
        "for "
        "temporary files); nothing is removed from it");
  t.add("straggler-steps", &o.straggler_steps,
        "steps between lines that name the slowest of several ranks; 0: none", 0, kMany);
  t.add("check-replicas", &o.check_replicas,
        "steps between comparisons of all ranks' parameters; 0: only before something is saved", 0, kMany);
}

bool TrainOptions::is_given(const std::string& name) const {
  return std::find(given.begin(), given.end(), name) != given.end();
}

const std::optional<std::string>& TrainOptions::source_file() const {
  return v1_checkpoint ? v1_checkpoint : v2_checkpoint;
}

OptionTable make_train_table(TrainOptions& options) {
  OptionTable table("anemll_train",
                    "knowledge-distillation QAT of V2 scales against a cache of teacher logits");
  add_source(table, options);
  add_data(table, options);
  add_text(table, options);
  add_quantisation(table, options);
  add_optimisation(table, options);
  add_loss(table, options);
  add_trainable(table, options);
  add_numerics(table, options);
  add_files(table, options);
  add_watch(table, options);
  for (const char* path : {"v1-checkpoint", "v2-checkpoint", "cache-dir", "dataset_name", "output-dir",
                           "eval-text", "sample-prompts", "trace", "stage-dir", "resume"})
    table.mark_path(path);
  return table;
}

namespace {

void check_data(const TrainOptions& o) {
  if (o.dataset.name && !o.cache_dir.empty())
    throw_usage("the rows to train on are named twice", "--cache-dir, --dataset_name", "drop one of them");
  if (!o.dataset.name && o.cache_dir.empty() && !o.freeze_all)
    throw_usage("this option is required", "--cache-dir",
                "give a KD cache; or a text with --dataset_name, and its teacher with --teacher-model");
  if (!o.dataset.name || o.freeze_all) return;
  mixture_of(o.dataset);  // its errors come before any work
  if (!o.teacher_model)
    throw_usage(
        "a text has no teacher", "--dataset_name",
        "add --teacher-model MODEL, which is run on each batch; or make a cache with anemll_precompute");
  if (!o.kd_objective->payloads.has(Payload::hidden))  // which a live teacher gives
    check_objective(o.kd_objective, {o.temperature, KdCacheInfo(), {}, *o.dataset.name});
}

}  // namespace

void settle_text(TrainOptions& o) {
  if (o.dataset.name && !o.is_given("kd-objective")) o.kd_objective = objective_named("exact");
}

void check_train_options(const TrainOptions& o) {
  if (o.v1)
    check_v1_options(o);
  else
    check_data(o);
  std::vector<const char*> sources;
  if (o.v1_checkpoint) sources.push_back("--v1-checkpoint");
  if (o.v2_checkpoint) sources.push_back("--v2-checkpoint");
  if (o.from_scratch) sources.push_back("--from-scratch");
  if (sources.size() > 1) {
    std::string names = sources[0];
    for (std::size_t i = 1; i < sources.size(); ++i) names.append(", ").append(sources[i]);
    throw_usage(std::to_string(sources.size()) + " sources are given", names, "keep one of them");
  }
  if (sources.empty() && o.resume == "none") {
    throw_usage("no source is given", "command line",
                "add --from-scratch, --v1-checkpoint FILE or --v2-checkpoint FILE");
  }
  if (o.mlp_only && o.attn_only) {
    throw_usage("nothing is left to train", "--mlp-only, --attn-only", "give one of them, or none for both");
  }
  if (o.g_only && o.freeze_mags) {
    throw_usage("nothing is left to train", "--g-only, --freeze-mags", "keep one of them");
  }
  if (o.g_only && o.freeze_mags_mlp && o.mlp_only) {
    throw_usage("nothing is left to train", "--g-only, --freeze-mags-mlp, --mlp-only", "drop one of them");
  }
  if (o.train_norms_only && (o.g_only || o.mlp_only || o.attn_only || o.freeze_mags || o.freeze_mags_mlp)) {
    throw_usage("trains the norms and nothing else", "--train-norms-only", "drop the other selection flags");
  }
  if (o.positive_scales && o.v1_checkpoint) {
    throw_usage("the conversion of V1 layers gives scales with signs", "--positive-scales, --v1-checkpoint",
                "drop the flag and give it to anemll_snap, which fits them anew");
  }
  require_scale_bits(o.scale_bits);
  if (o.scale_bits == 8 && o.forward != ForwardMode::materialised) {
    throw_usage("only the materialised forward computes with 8-bit scales", "--scale-bits 8, --forward",
                "drop one of them");
  }
  if ((o.is_given("init") || o.start.init != StartMethod::svd) && o.source_file()) {
    throw_usage("a start is made where there is no checkpoint", "--init, " + std::string(sources[0]),
                "drop one of them");
  }
  if (o.freeze_all) {
    if (starts_by_text(o))
      throw_usage("looks at the rows of a cache, which --freeze-all does not read",
                  "--init " + choice_name(o.start.init), "use --init svd, or anemll_init");
    if (o.g_only || o.mlp_only || o.attn_only || o.freeze_mags || o.freeze_mags_mlp || o.train_norms_only)
      throw_usage("rounds all scales and trains nothing", "--freeze-all", "drop the other selection flags");
    if (o.resume != "none")
      throw_usage("there is no run to go on with", "--freeze-all, --resume", "drop one of them");
  }
  if (o.no_full_logits && o.kd_objective->all_logits) {
    throw_usage("the objective looks at the whole vocabulary",
                "--no-full-logits, --kd-objective " + choice_name(o.kd_objective), "drop one of them");
  }
  if (o.eval_samples == 0 && (o.eval_text || o.teacher_model)) {
    throw_usage("there are no evaluations to score a text or run a teacher in", "--eval-samples 0",
                "let --eval-samples be at least 1, or drop --eval-text and --teacher-model");
  }
  if (o.eval_text_always && !o.eval_text) {
    throw_usage("there is no text to score", "--eval-text-always", "add --eval-text FILE, or drop the flag");
  }
  if (o.dtype == RunDtype::fp16 && !o.mixed_precision && o.precision == Precision::automatic) {
    throw_usage("training wholly in fp16 is not supported", "--dtype fp16 --no-mixed-precision",
                "use --dtype bf16, or drop --no-mixed-precision");
  }
}

}  // namespace anemll
