// See resume_differences.hpp.
#include "src/train/internal/resume_differences.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

constexpr auto kRules = std::to_array<ResumeRule>({
    {"from-scratch", OnResume::no_effect},
    {"v1-checkpoint", OnResume::no_effect},
    {"v2-checkpoint", OnResume::no_effect},
    {"model-id", OnResume::free},  // its fingerprint is the identity, its place may change
    {"model-revision", OnResume::free},
    {"cache-dir", OnResume::free},
    {"dataset_name", OnResume::free},  // its rows are the identity, as those of a cache are
    {"dataset_format", OnResume::free},
    {"dataset_text_field", OnResume::free},
    {"dataset_config_name", OnResume::free},
    {"dataset_split", OnResume::free},
    {"dataset_revision", OnResume::free},
    {"max_length", OnResume::free},
    {"num_sequences", OnResume::free},
    {"holdout", OnResume::free},
    {"output-dir", OnResume::free},
    {"order", OnResume::identity},
    {"seed", OnResume::identity},
    {"config", OnResume::scheme},
    {"mlp-lut", OnResume::scheme},
    {"mlp-rank", OnResume::scheme},
    {"attn-lut", OnResume::scheme},
    {"attn-rank", OnResume::scheme},
    {"group-size", OnResume::scheme},
    {"layer-overrides", OnResume::scheme},
    {"expand-rank", OnResume::no_effect},
    {"svd-floor", OnResume::no_effect},
    {"fast-init", OnResume::no_effect},
    {"scale-bits", OnResume::identity},
    {"init", OnResume::no_effect},
    {"calibration-tokens", OnResume::no_effect},
    {"token-weight", OnResume::no_effect},
    {"target-correction", OnResume::no_effect},
    {"positive-scales", OnResume::identity},
    {"max-steps", OnResume::free},
    {"patience", OnResume::free},
    {"max-time", OnResume::free},
    {"batch-size", OnResume::identity},
    {"accumulation-steps", OnResume::identity},
    {"lr", OnResume::free},
    {"warmup-steps", OnResume::free},
    {"constant-lr", OnResume::free},
    {"min-lr-ratio", OnResume::free},
    {"clip-grad-norm", OnResume::free},
    {"weight-decay", OnResume::free},
    {"shard-optimizer", OnResume::free},
    {"kd-objective", OnResume::identity},
    {"temperature", OnResume::identity},
    {"hard-top1", OnResume::identity},
    {"hard-top1-end", OnResume::identity},
    {"hard-full", OnResume::identity},
    {"no-full-logits", OnResume::identity},
    {"sampled-ce-weight", OnResume::identity},
    {"sampled-negatives", OnResume::identity},
    {"g-only", OnResume::identity},
    {"mlp-only", OnResume::identity},
    {"attn-only", OnResume::identity},
    {"freeze-mags", OnResume::identity},
    {"freeze-mags-mlp", OnResume::identity},
    {"train-norms-only", OnResume::identity},
    {"freeze-all", OnResume::free},  // refused with --resume
    {"forward", OnResume::identity},
    {"ste", OnResume::identity},
    {"precision", OnResume::identity},
    {"mixed-precision", OnResume::identity},
    {"dtype", OnResume::identity},
    {"gradient-checkpointing", OnResume::free},
    {"device", OnResume::free},
    {"backend", OnResume::free},
    {"threads", OnResume::free},
    {"bucket-mib", OnResume::free},
    {"memory-limit", OnResume::free},
    {"force", OnResume::free},
    {"eval-steps", OnResume::free},
    {"eval-samples", OnResume::identity},
    {"best-by", OnResume::free},
    {"eval-text", OnResume::free},
    {"eval-ctx", OnResume::free},
    {"eval-chunks", OnResume::free},
    {"eval-text-always", OnResume::free},
    {"sample-prompts", OnResume::free},  // answers change no weight
    {"sample-tokens", OnResume::free},
    {"teacher-model", OnResume::free},
    {"teacher-revision", OnResume::free},
    {"logging-steps", OnResume::free},
    {"save-steps", OnResume::free},
    {"state-steps", OnResume::free},
    {"inspect-steps", OnResume::free},
    {"keep-checkpoints", OnResume::free},
    {"wandb", OnResume::free},
    {"wandb-project", OnResume::free},  // a run that goes on stays in its project
    {"wandb-run", OnResume::free},
    {"tensorboard", OnResume::free},
    {"trace", OnResume::free},
    {"init-timeout", OnResume::free},
    {"step-timeout", OnResume::free},
    {"work-timeout", OnResume::free},
    {"stage", OnResume::free},
    {"stage-dir", OnResume::free},
    {"straggler-steps", OnResume::free},
    {"check-replicas", OnResume::free},
    {"resume", OnResume::free},
    {"strict", OnResume::free},
    {"dry-run", OnResume::free},
    // anemll_train_v1's own
    {"init-state", OnResume::no_effect},
    {"lut-size", OnResume::no_effect},
    {"scale-rank", OnResume::no_effect},
    {"quantize-attn", OnResume::no_effect},
    {"attn-lut-size", OnResume::no_effect},
    {"attn-group-size", OnResume::no_effect},
    {"attn-scale-rank", OnResume::no_effect},
    {"train-weights", OnResume::identity},
    {"train-scales", OnResume::identity},
    {"snap-weights", OnResume::free},
    {"snap-bake-scales", OnResume::free},
    {"skip-training", OnResume::free},
});
// They differ by nature between a run and the one that goes on with it.
constexpr std::array<std::string_view, 2> kNotTold = {"resume", "dry-run"};

json object_of(const std::string& text) {
  json object = json::parse(text, nullptr, false);
  return object.is_object() ? object : json::object();
}

std::string text_of(const json& value) {
  if (value.is_null()) return "not set";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return strf("%.10g", value.get<double>());
  return value.dump();
}

std::string line(const std::string& key, const std::string& saved, const std::string& now) {
  return "\n    " + key + ": " + saved + " -> " + now;
}

/// Two spellings of one file: the run may be called from another folder than it was started from.
bool same_path(const std::string& saved, const std::string& now) {
  std::error_code ignored;
  if (saved == now || fs::equivalent(saved, now, ignored)) return true;
  const std::string tail = fs::path(saved).lexically_normal().string();
  const std::string whole = fs::weakly_canonical(now, ignored).string();
  return fs::path(saved).is_relative() && !tail.starts_with("..") && whole.ends_with('/' + tail);
}

/// A scheme option that was given and is not what the saved run has.
std::optional<OptionChange> scheme_change(std::string_view option, const TrainOptions& o,
                                          const SourcePlan& source) {
  const QuantSpec& has = source.quant.spec;
  const auto change = [&](const std::string& saved, const std::string& now) {
    return OptionChange{std::string(option), saved, now, OnResume::scheme};
  };
  const auto differs = [&](const std::optional<std::int64_t>& wanted, bool mlp,
                           std::int64_t LinearQuant::*number) -> std::optional<OptionChange> {
    if (!wanted) return std::nullopt;
    const LayerOverrides layers =
        o.layer_overrides ? read_layer_overrides(*o.layer_overrides) : LayerOverrides();
    for (const QuantSpec::Entry& entry : has.entries()) {
      if (entry.mlp == mlp && entry.quant.*number != *wanted && !layers.contains(entry.linear))
        return change(std::to_string(entry.quant.*number), std::to_string(*wanted));
    }
    return std::nullopt;
  };
  if (option == "mlp-lut") return differs(o.mlp_lut, true, &LinearQuant::lut_size);
  if (option == "mlp-rank") return differs(o.mlp_rank, true, &LinearQuant::rank);
  if (option == "attn-lut") return differs(o.attn_lut, false, &LinearQuant::lut_size);
  if (option == "attn-rank") return differs(o.attn_rank, false, &LinearQuant::rank);
  if (option == "group-size") {
    if (o.group_size == has.group_size()) return std::nullopt;
    return change(std::to_string(has.group_size()), std::to_string(o.group_size));
  }
  if (option == "layer-overrides") {
    if (!o.layer_overrides) return std::nullopt;
    for (const auto& [linear, own] : read_layer_overrides(*o.layer_overrides)) {
      const LinearQuant& quant = has.of(linear);
      if (own.lut_bits.value_or(quant.bits()) == quant.bits() &&
          own.scale_rank.value_or(quant.rank) == quant.rank)
        continue;
      return change(strf("%s %s", linear.c_str(), quant.describe().c_str()), *o.layer_overrides);
    }
    return std::nullopt;
  }
  if (!o.config || *o.config == kCustomPreset) return std::nullopt;
  const QuantScheme wanted = preset_scheme(*o.config);
  const LayerOverrides layers =
      o.layer_overrides ? read_layer_overrides(*o.layer_overrides) : LayerOverrides();
  const auto fits = [&](const QuantSpec::Entry& entry) {
    if (layers.contains(entry.linear)) return true;  // judged by its own option
    const LinearNumbers numbers = wanted.of(entry.linear, entry.mlp);
    return entry.quant.lut_size == (entry.mlp ? o.mlp_lut : o.attn_lut).value_or(numbers.lut) &&
           entry.quant.rank == (entry.mlp ? o.mlp_rank : o.attn_rank).value_or(numbers.rank);
  };
  if (std::all_of(has.entries().begin(), has.entries().end(), fits)) return std::nullopt;
  return change(has.describe(), *o.config + " (" + wanted.describe() + ")");
}

/// Given, without effect, and not what the saved run did: somebody expects something that will not happen.
std::string refused_lines(const std::vector<OptionChange>& changes, const TrainOptions& options,
                          const SourcePlan& source) {
  std::string lines;
  for (const ResumeRule& rule : kRules) {
    const std::string name(rule.option);
    if (!options.is_given(name)) continue;
    const auto found =
        std::find_if(changes.begin(), changes.end(), [&](const auto& c) { return c.option == name; });
    if (rule.rule == OnResume::scheme) {
      // The shapes of a checkpoint won over the same name at the start, which told so.
      if (name == "config" && found == changes.end()) continue;
      if (const auto change = scheme_change(name, options, source))
        lines += line(name, change->saved, change->now);
      continue;
    }
    if (rule.rule != OnResume::no_effect || found == changes.end()) continue;
    const bool names_file = name == "v1-checkpoint" || name == "v2-checkpoint" || name == "init-state";
    if (names_file && found->saved != "not set" && same_path(found->saved, found->now)) continue;
    lines += line(name, found->saved, found->now);
  }
  return lines;
}

/// Keys of the identity that differ; those that options decide are told by these.
std::string identity_lines(const json& saved, const json& now, const std::vector<OptionChange>& changes,
                           const json& saved_options, const TrainOptions& options) {
  constexpr std::array<std::string_view, 10> kByOptions = {
      "order",     "seed",     "batch_size",   "sequences_per_step", "loss",
      "selection", "numerics", "eval_samples", "trained_values",     "v1"};
  std::string by_options;
  for (const OptionChange& c : changes) {
    if (c.rule == OnResume::identity) by_options += line(c.option, c.saved, c.now);
  }
  bool explained = false;
  std::string lines;
  for (const auto& [key, value] : now.items()) {
    if (!saved.contains(key) || saved[key] == value) continue;  // a state from before there was this key
    if (key == "model" || key == "cache") {
      const bool model = key == "model";
      const json was = saved_options.value(model                  ? "model-id"
                                           : options.dataset.name ? "dataset_name"
                                                                  : "cache-dir",
                                           json());
      const auto what = [](const std::string& where, const json& fingerprint) {
        return where + " (content " + text_of(fingerprint).substr(0, 12) + ")";
      };
      lines += line(key, what(text_of(was), saved[key]),
                    what(model ? options.model_id : options.dataset.name.value_or(options.cache_dir), value));
    } else if (!by_options.empty() &&
               std::find(kByOptions.begin(), kByOptions.end(), key) != kByOptions.end()) {
      explained = true;
    } else {
      lines += line(key, text_of(saved[key]), text_of(value));
    }
  }
  return explained ? lines + by_options : lines;
}

}  // namespace

std::span<const ResumeRule> resume_rules() {
  return kRules;
}

std::vector<OptionChange> option_changes(const std::string& saved_json, const std::string& now_json) {
  const json saved = object_of(saved_json);
  const json now = object_of(now_json);
  std::vector<OptionChange> changes;
  for (const ResumeRule& rule : kRules) {
    const std::string name(rule.option);
    if (!saved.contains(name) || !now.contains(name) || saved[name] == now[name]) continue;
    changes.push_back({name, text_of(saved[name]), text_of(now[name]), rule.rule});
  }
  return changes;
}

std::string carried_options(const SavedState& state, const std::string& resolved_json) {
  const json saved = object_of(state.trainer_json).value("options", json::object());
  json now = object_of(resolved_json);
  for (const ResumeRule& rule : kRules) {
    const std::string name(rule.option);
    const bool of_the_start = rule.rule == OnResume::no_effect || rule.rule == OnResume::scheme;
    if (of_the_start && saved.contains(name)) now[name] = saved[name];
  }
  return now.dump();
}

void check_resumed_options(const SavedState& state, const TrainOptions& options,
                           const std::string& resolved_json, const SourcePlan& source,
                           const std::string& identity, const ModelFiles& model) {
  const json trainer = object_of(state.trainer_json);
  const std::string folder = state.folder.string();
  if (!trainer.contains("identity"))
    throw_data("trainer.json does not say what run it belongs to", folder, "start without --resume");
  const json saved_options = trainer.value("options", json::object());
  const std::vector<OptionChange> changes = option_changes(saved_options.dump(), resolved_json);

  json saved_identity = trainer["identity"];
  if (const auto named = saved_identity.find("model");
      named != saved_identity.end() && named->is_string() && model.is(named->get<std::string>()))
    *named = model.fingerprint;
  const std::string other_run =
      identity_lines(saved_identity, object_of(identity), changes, saved_options, options);
  if (!other_run.empty()) {
    throw_usage("cannot go on with other settings than the run's own (saved -> now):" + other_run, folder,
                "give the same flags, or start anew in another --output-dir");
  }
  const std::string refused = refused_lines(changes, options, source);
  if (!refused.empty()) {
    throw_usage(
        "only the start of a run reads these options, and the saved run had others (saved -> now):" + refused,
        folder, "leave them out to go on, or start anew without --resume in another --output-dir");
  }
  std::string told;
  for (const OptionChange& c : changes) {
    const bool by_nature = std::find(kNotTold.begin(), kNotTold.end(), c.option) != kNotTold.end();
    if (c.rule == OnResume::free && !by_nature) told += line(c.option, c.saved, c.now);
  }
  if (!told.empty()) log_info("options that differ from the saved run (saved -> now):" + told);
}

}  // namespace anemll
