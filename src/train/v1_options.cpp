// The options table of anemll_train_v1.
#include "anemll/core/error.hpp"
#include "src/hub/hub_options.hpp"
#include "src/student/v2_checkpoint.hpp"
#include "src/train/internal/option_groups.hpp"

#include <optional>
#include <string>

namespace anemll {
namespace {

void add_source(OptionTable& t, TrainOptions& o) {
  t.group("Source (default: the model itself, with scales of its group maxima)");
  t.add("init-state", &o.v1->init_state,
        "V1 state to start from: a .pt file, or a folder with model_state_dict.pt or best_state_dict.pt");
  t.mark_path("init-state");
  add_model_option(t, "model-id", &o.model_id, "model: folder, .gguf file, or org/name on the hub");
  add_revision_option(t, "model-revision", &o.model_revision, "the model");
}

void add_quantisation(OptionTable& t, TrainOptions& o) {
  t.group("Quantisation (of a state, its tensors decide)");
  t.add("lut-size", &o.v1->lut_size, "LUT entries of MLP linears", 2, 256);
  t.add("group-size", &o.group_size, "input columns that start with one scale", 1, 1 << 20);
  t.add("scale-rank", &o.v1->scale_rank, "scale rank of MLP linears; 0: a scale for each weight", 0, 1 << 20);
  t.add_flag("quantize-attn", &o.v1->quantize_attn, "quantise attention linears too");
  t.add("attn-lut-size", &o.v1->attn_lut_size, "LUT entries of attention linears; 0: as the MLP's", 0, 256);
  t.add("attn-group-size", &o.v1->attn_group_size, "group size of attention linears; 0: as the MLP's", 0,
        1 << 20);
  t.add("attn-scale-rank", &o.v1->attn_scale_rank, "scale rank of attention linears; -1: as the MLP's", -1,
        1 << 20);
}

void add_trained(OptionTable& t, TrainOptions& o) {
  t.group("What is trained (at least one of the two)");
  t.add_flag("train-weights", &o.v1->train_weights, "float weights of quantised linears");
  t.add_flag(
      "train-scales", &o.v1->train_scales,
      "their scales; with --train-weights both are trained (the Python version drops the scales then)");
}

void add_result(OptionTable& t, TrainOptions& o) {
  t.group("The last file");
  t.add_flag("snap-weights", &o.v1->snap_weights, "write table values in the place of weights");
  t.add_flag("snap-bake-scales", &o.v1->snap_bake_scales,
             "with --snap-weights: table values times scales instead");
  t.add_flag("skip-training", &o.v1->skip_training, "snap the source and stop; needs no cache");
}

}  // namespace

TrainOptions v1_defaults() {
  TrainOptions o;
  o.v1.emplace();
  o.from_scratch = true;
  o.output_dir = "runs/anemll_qat";
  o.dtype = RunDtype::bf16;
  o.batch_size = 32;
  o.lr = 1e-5;
  o.constant_lr = true;
  o.warmup_steps = 0;
  o.hard_top1 = 0;
  o.hard_full = 5e-4;
  o.logging_steps = 50;
  o.eval_steps = 200;
  return o;
}

OptionTable make_train_v1_table(TrainOptions& options) {
  OptionTable table("anemll_train_v1",
                    "knowledge-distillation QAT of V1 linears: their weights, their scales, or both");
  add_source(table, options);
  add_data(table, options);
  table.add_alias("cache-dir", "kd-cache-dir");
  add_quantisation(table, options);
  add_optimisation(table, options);
  add_loss(table, options);
  table.add_alias("hard-top1", "hard-top1-weight");
  table.add_alias("hard-full", "hard-full-weight");
  add_trained(table, options);
  add_numerics(table, options);
  add_files(table, options);
  add_watch(table, options);
  add_result(table, options);
  table.require_unless("cache-dir", "skip-training");
  for (const char* path : {"cache-dir", "output-dir", "eval-text", "sample-prompts", "trace", "resume"})
    table.mark_path(path);
  return table;
}

void settle_v1_source(TrainOptions& options) {
  if (options.v1_checkpoint) options.v1_checkpoint = v1_file(*options.v1_checkpoint).string();
  if (!options.v1) return;
  const std::optional<std::string>& named = options.v1->init_state;
  options.from_scratch = !named;
  if (named) options.v2_checkpoint = v1_file(*named).string();
}

void check_v1_options(const TrainOptions& o) {
  const V1Options& v1 = *o.v1;
  if (o.dtype == RunDtype::fp16)
    throw_usage("training in fp16 is not supported", "--dtype fp16", "use --dtype bf16 or fp32");
  if (v1.attn_lut_size == 1)
    throw_usage("a look-up table has 2 to 256 entries, not 1", "--attn-lut-size", "0 means: as the MLP's");
  if (v1.snap_bake_scales && !v1.snap_weights)
    throw_usage("says how weights are snapped, and they are not", "--snap-bake-scales", "add --snap-weights");
  if (v1.skip_training) {
    if (!v1.snap_weights)
      throw_usage("nothing is left to do", "--skip-training", "add --snap-weights, or drop the flag");
    if (o.resume != "none")
      throw_usage("there is no run to go on with", "--skip-training, --resume", "drop one of them");
    return;
  }
  if (!v1.train_weights && !v1.train_scales)
    throw_usage("nothing is trained", "command line",
                "add --train-weights, --train-scales or both, or --skip-training --snap-weights");
}

}  // namespace anemll
