// See suspicions.hpp. A row of a table below is one mistake: when it is one, what is said, and the remedy.
#include "src/train/internal/suspicions.hpp"

#include "anemll/core/log.hpp"
#include "anemll/hub/hub.hpp"
#include "src/distill/objective.hpp"
#include "src/solve/solve.hpp"
#include "src/train/internal/start_by_text.hpp"

#include <algorithm>
#include <functional>

namespace anemll {
namespace {

// Rates outside of these have not trained any model here.
constexpr double kHighestRate = 1e-2;
constexpr double kLowestRate = 1e-8;
constexpr double kLowestTemperature = 0.25;
constexpr double kHighestTemperature = 20;
constexpr double kHighestDecay = 0.5;
constexpr double kManyEpochs = 200;

using Facts = SuspicionFacts;

struct Row {
  std::function<bool(const Facts&)> holds;
  std::function<std::string(const Facts&)> problem;
  std::string hint;
};

std::string count(std::int64_t n, const char* unit) {
  return strf("%lld %s%s", static_cast<long long>(n), unit, n == 1 ? "" : "s");
}
long long ll(std::int64_t value) {
  return value;
}

std::int64_t rows_per_step(const Facts& f) {
  return std::min(f.options.batch_size, f.cache.sequences) * f.options.accumulation_steps;
}
double epochs(const Facts& f) {
  return static_cast<double>(rows_per_step(f)) * static_cast<double>(f.options.max_steps) /
         static_cast<double>(f.cache.sequences);
}

std::vector<Row> schedule_rows() {
  return {
      {[](const Facts& f) { return f.options.lr > 0 && f.options.warmup_steps >= f.options.max_steps; },
       [](const Facts& f) {
         return strf(
             "the warm-up of %s is not over when the run of %lld ends: the rate never reaches --lr %g",
             count(f.options.warmup_steps, "step").c_str(), ll(f.options.max_steps), f.options.lr);
       },
       "give a smaller --warmup-steps (a tenth of --max-steps is usual), or more steps"},
      {[](const Facts& f) { return f.options.lr == 0; },
       [](const Facts&) { return std::string("--lr 0 trains nothing"); }, "give a rate, for example 5e-5"},
      {[](const Facts& f) { return f.options.lr > kHighestRate; },
       [](const Facts& f) { return strf("--lr %g is far above what trains", f.options.lr); },
       "usual are 1e-5 to 1e-3"},
      {[](const Facts& f) { return f.options.lr > 0 && f.options.lr < kLowestRate; },
       [](const Facts& f) { return strf("--lr %g is too small to change fp32 weights", f.options.lr); },
       "usual are 1e-5 to 1e-3"},
      {[](const Facts& f) { return f.options.clip_grad_norm > 0 && f.options.clip_grad_norm < 1e-4; },
       [](const Facts& f) {
         return strf("--clip-grad-norm %g stops nearly every update", f.options.clip_grad_norm);
       },
       "usual is 1; 0 turns it off"},
      {[](const Facts& f) { return f.options.weight_decay > kHighestDecay; },
       [](const Facts& f) {
         return strf("--weight-decay %g pulls the scales to zero", f.options.weight_decay);
       },
       "usual are 0 to 0.1"},
      {[](const Facts& f) { return epochs(f) > kManyEpochs; },
       [](const Facts& f) { return strf("the run reads the cache %.0f times", epochs(f)); },
       "make a larger cache, or give fewer --max-steps"},
      {[](const Facts& f) { return f.resumes && f.options.max_steps <= f.done_steps; },
       [](const Facts& f) {
         return strf("the saved run is at step %lld and --max-steps is %lld: no step is left",
                     ll(f.done_steps), ll(f.options.max_steps));
       },
       "give a larger --max-steps to go on"},
  };
}

std::vector<Row> data_rows() {
  return {
      {[](const Facts& f) { return f.options.batch_size > f.cache.sequences; },
       [](const Facts& f) {
         return strf("--batch-size %lld is more than the cache's %s: a micro-step has no more rows than that",
                     ll(f.options.batch_size), count(f.cache.sequences, "sequence").c_str());
       },
       "give a smaller --batch-size or a larger cache"},
      {[](const Facts& f) {
         return f.options.accumulation_steps > 1 && rows_per_step(f) > f.cache.sequences;
       },
       [](const Facts& f) {
         return strf("one step reads %lld rows of a cache of %lld: the same rows again and again",
                     ll(rows_per_step(f)), ll(f.cache.sequences));
       },
       "give a smaller --batch-size or --accumulation-steps, or a larger cache"},
      {[](const Facts& f) { return f.options.batch_size < f.ranks; },
       [](const Facts& f) {
         return strf("--batch-size %lld on %d ranks: some ranks have nothing to compute",
                     ll(f.options.batch_size), f.ranks);
       },
       "the batch counts the sequences of all ranks together; give at least one per rank"},
      {[](const Facts& f) { return f.options.batch_size > f.ranks && f.options.batch_size % f.ranks != 0; },
       [](const Facts& f) {
         return strf("--batch-size %lld on %d ranks: the last rank has less to do and waits",
                     ll(f.options.batch_size), f.ranks);
       },
       "give a multiple of the number of ranks"},
      {[](const Facts& f) {
         return f.cache.lse_train_temperature > 0 && f.cache.lse_train_temperature != f.options.temperature &&
                !f.options.kd_objective->payloads.has(Payload::hidden);
       },
       [](const Facts& f) {
         return strf("the cache was made for training at temperature %g, --temperature is %g",
                     f.cache.lse_train_temperature, f.options.temperature);
       },
       "the objective topk takes any temperature; for the cache's own drop the flag or give that number"},
      {[](const Facts& f) {
         return f.options.temperature < kLowestTemperature || f.options.temperature > kHighestTemperature;
       },
       [](const Facts& f) {
         return strf("--temperature %g is far from what distils", f.options.temperature);
       },
       "usual are 1 to 4"},
      {[](const Facts& f) { return f.options.hard_top1 + f.options.hard_full > 10; },
       [](const Facts& f) {
         return strf("the hard weights of %g drown the teacher's distribution",
                     f.options.hard_top1 + f.options.hard_full);
       },
       "usual are 0 to 1"},
      {[](const Facts& f) {
         return f.options.is_given("eval-samples") && f.options.eval_samples > f.cache.sequences;
       },
       [](const Facts& f) {
         return strf("--eval-samples %lld is more than the cache's %s, all of which are evaluated",
                     ll(f.options.eval_samples), count(f.cache.sequences, "sequence").c_str());
       },
       "give a smaller number"},
  };
}

std::vector<Row> log_rows() {
  const auto beyond = [](const char* option, std::int64_t TrainOptions::*value, const char* meaning) {
    const std::string name = option;
    return Row{[name, value](const Facts& f) {
                 return f.options.is_given(name) && f.options.*value > f.options.max_steps;
               },
               [name, value, meaning](const Facts& f) {
                 return strf("--%s %lld is more than the run's %s: %s", name.c_str(), ll(f.options.*value),
                             count(f.options.max_steps, "step").c_str(), meaning);
               },
               "give a smaller number"};
  };
  return {
      beyond("save-steps", &TrainOptions::save_steps, "only the end is saved"),
      beyond("state-steps", &TrainOptions::state_steps, "only the end is saved"),
      beyond("eval-steps", &TrainOptions::eval_steps, "only start and end are evaluated"),
      beyond("inspect-steps", &TrainOptions::inspect_steps, "no layer is looked at"),
      beyond("logging-steps", &TrainOptions::logging_steps, "no step is logged"),
  };
}

std::vector<Row> machine_rows() {
  return {
      {[](const Facts& f) { return f.bf16 && !f.fast_bf16; },
       [](const Facts&) {
         return std::string("bf16 products on a processor without them are emulated and slow");
       },
       "drop --precision bf16"},
  };
}

}  // namespace

std::vector<OptionEffect<SuspicionFacts>> train_option_effects() {
  const auto resumed = [](const Facts& f) { return f.resumes; };
  const auto no_hard = [](const Facts& f) { return f.options.no_full_logits; };
  const auto from_checkpoint = [resumed](const Facts& f) { return !resumed(f) && f.options.v2_checkpoint; };
  const auto float_attention = [resumed](const Facts& f) {
    return f.options.v1 && !f.options.v1->quantize_attn && !resumed(f) && !f.options.source_file();
  };
  const auto positive = [](const Facts& f) { return f.options.positive_scales; };
  const auto no_text = [](const Facts& f) { return !f.options.eval_text; };
  const auto no_dataset = [](const Facts& f) { return !f.options.dataset.name; };
  const auto no_evaluation = [](const Facts& f) { return f.options.eval_samples == 0; };
  std::vector<OptionEffect<SuspicionFacts>> effects{
      {"model-revision", "on a local model: revisions are the hub's",
       [](const Facts& f) { return is_local(HubKind::model, f.options.model_id); }},
      {"teacher-revision", "without --teacher-model",
       [](const Facts& f) { return !f.options.teacher_model; }},
      {"teacher-revision", "on a local teacher: revisions are the hub's",
       [](const Facts& f) {
         return f.options.teacher_model && is_local(HubKind::model, *f.options.teacher_model);
       }},
      {"min-lr-ratio", "with --constant-lr", [](const Facts& f) { return f.options.constant_lr; }},
      {"hard-top1", "with --no-full-logits", no_hard},
      {"hard-top1-end", "with --no-full-logits", no_hard},
      {"hard-full", "with --no-full-logits", no_hard},
      {"sampled-negatives", "without --sampled-ce-weight",
       [](const Facts& f) { return f.options.sampled_ce_weight == 0; }},
      {"svd-floor", "with --v2-checkpoint, whose scales are taken", from_checkpoint},
      {"fast-init", "with --v2-checkpoint, whose scales are taken", from_checkpoint},
      {"calibration-tokens", "without --init, or with --init svd, which looks at no text",
       [](const Facts& f) { return !starts_by_text(f.options); }},
      {"token-weight", "with an --init that looks at no inputs",
       [](const Facts& f) { return moments_needed(f.options.start.init) == MomentsNeeded::none; }},
      {"target-correction", "with another --init than gptq and cd",
       [](const Facts& f) { return moments_needed(f.options.start.init) != MomentsNeeded::full; }},
      {"expand-rank", "without --v1-checkpoint", [](const Facts& f) { return !f.options.v1_checkpoint; }},
      {"attn-lut-size", "without --quantize-attn", float_attention},
      {"attn-group-size", "without --quantize-attn", float_attention},
      {"attn-scale-rank", "without --quantize-attn", float_attention},
      {"svd-floor", "with --fast-init", [](const Facts& f) { return f.options.fast_init; }},
      {"svd-floor", "with --positive-scales, which start otherwise", positive},
      {"fast-init", "with --positive-scales, which start otherwise", positive},
      {"freeze-mags-mlp", "with --attn-only", [](const Facts& f) { return f.options.attn_only; }},
      {"freeze-mags-mlp", "with --freeze-mags, which freezes them all",
       [](const Facts& f) { return f.options.freeze_mags; }},
      {"mixed-precision", "with --precision, which decides",
       [](const Facts& f) { return f.options.precision != Precision::automatic; }},
      {"eval-ctx", "without --eval-text", no_text},
      {"eval-chunks", "without --eval-text", no_text},
      {"eval-steps", "with --eval-samples 0", no_evaluation},
      {"sample-prompts", "with --eval-samples 0", no_evaluation},
      {"sample-tokens", "without --sample-prompts", [](const Facts& f) { return !f.options.sample_prompts; }},
      {"best-by", "with --eval-samples 0", no_evaluation},
      {"patience", "with --eval-samples 0", no_evaluation},
      {"patience", "with --eval-steps 0", [](const Facts& f) { return f.options.eval_steps == 0; }},
      {"keep-checkpoints", "without --save-steps", [](const Facts& f) { return f.options.save_steps == 0; }},
      {"wandb-project", "without --wandb", [](const Facts& f) { return !f.options.wandb; }},
      {"wandb-run", "without --wandb", [](const Facts& f) { return !f.options.wandb; }},
      {"bucket-mib", "on one rank", [](const Facts& f) { return f.ranks == 1; }},
      {"memory-limit", "on a GPU", [](const Facts& f) { return f.on_gpu; }},
      {"shard-optimizer", "on one rank", [](const Facts& f) { return f.ranks == 1; }},
      {"seed", "with --order sequential",
       [](const Facts& f) {
         return f.options.order == OrderKind::sequential && f.options.sampled_ce_weight == 0 &&
                !f.options.expand_rank;
       }},
  };
  for (const char* name : dataset_details_and({"max_length", "num_sequences", "holdout"}))
    effects.push_back({name, "without --dataset_name", no_dataset});
  return effects;
}

std::vector<Suspicion> suspicions(const SuspicionFacts& facts) {
  std::vector<Suspicion> found;
  for (const auto& rows : {schedule_rows(), data_rows(), log_rows(), machine_rows()}) {
    for (const Row& row : rows) {
      if (row.holds(facts)) found.push_back({row.problem(facts), row.hint});
    }
  }
  const auto given = [&](const std::string& name) { return facts.options.is_given(name); };
  for (const UnreadOption& one : unread_options(train_option_effects(), facts, given))
    found.push_back({one.text(), kDropIt});
  return found;
}

}  // namespace anemll
