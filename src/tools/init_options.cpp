#include "src/tools/init_options.hpp"

#include "anemll/core/error.hpp"
#include "anemll/hub/hub.hpp"
#include "anemll/model/compute_options.hpp"
#include "anemll/quant/presets.hpp"
#include "src/comm/watched_ranks.hpp"
#include "src/core/common_options.hpp"
#include "src/core/option_effects.hpp"
#include "src/hub/hub_options.hpp"
#include "src/solve/solve.hpp"
#include "src/student/layer_overrides_option.hpp"

#include <cstdint>
#include <vector>

namespace anemll {

OptionTable make_init_table(InitSettings& s) {
  s.start.init = StartMethod::cd;
  OptionTable table("anemll_init",
                    "The quantised model before its first training step, made out of the model and a text: a "
                    "V2 checkpoint for anemll_train --v2-checkpoint.");
  table.group("Files");
  add_model_option(table, "model-id", &s.model_id, "model: folder, .gguf file, or org/name on the hub");
  table.require("model-id");
  add_revision_option(table, "model-revision", &s.model_revision, "the model");
  table.add("output", &s.output, "folder to make, with v2_init.pt, config.json and start_report.json");
  table.require("output");
  table.mark_path("output");
  table.add_flag("resume", &s.resume,
                 "go on behind the blocks that a stopped start has made; a finished one is left as it is");
  table.add_flag("overwrite", &s.overwrite, "start anew and replace what is there");
  add_strict_option(table, &s.strict, "the inputs");

  table.group("Text (a data set or a cache)");
  add_dataset_options(table, s.dataset);
  table.add("max_length", &s.max_length, "tokens per sequence", 2, 1 << 20);
  table.add("seed", &s.seed, "of the shuffle and of the hold-out", 0, INT64_MAX);
  table.add("cache-dir", &s.cache_dir,
            "KD cache whose rows are looked at: HDF5 folder, .h5 file, or a folder of reference .pt shards "
            "(imported once, beside --output)");
  table.mark_path("cache-dir");

  table.group("Start");
  add_start_options(table, &s.start);
  table.add("rounds", &s.rounds, "rounds of cd", 1, 100);
  table.add_switch(
      "descent", &s.descent,
      "a round of cd chooses indices by coordinate descent, else by error feedback as gptq does");
  table.add_switch("fit-b", &s.fit_b, "a round of cd fits scale_B");
  table.add_switch("fit-lut", &s.fit_lut, "a round of cd fits the table, if it has 16 entries or fewer");
  table.add("config", &s.config, (std::string("preset: ") += preset_words()) + " (default: q2a4)");
  table.add("mlp-lut", &s.mlp_lut, "LUT entries of MLP linears", 2, 256);
  table.add("mlp-rank", &s.mlp_rank, "scale rank of MLP linears", 1, 4096);
  table.add("attn-lut", &s.attn_lut, "LUT entries of attention linears", 2, 256);
  table.add("attn-rank", &s.attn_rank, "scale rank of attention linears", 1, 4096);
  add_layer_overrides_option(table, &s.layer_overrides);
  table.add("group-size", &s.group_size, "columns per block in the first estimate of the scales", 1, 1 << 20);
  table.add_switch("ste", &s.ste,
                   "magnitudes count as rounded to half, as they do in training with --ste on");
  add_threads_option(table, &s.threads);
  add_watch_option(table, &s.work_timeout);
  table.group("Hub");
  add_hub_cache_option(table, &s.hub_cache);
  add_local_files_option(table, "local-files-only", &s.local_files_only);
  return table;
}

HubOptions hub_options(const InitSettings& s, const std::string& revision) {
  HubOptions hub;
  hub.revision = revision;
  if (s.hub_cache) hub.cache_dir = *s.hub_cache;
  hub.local_files_only = s.local_files_only;
  return hub;
}

QuantWishes wishes_of(const InitSettings& s) {
  QuantWishes wishes;
  wishes.preset = s.config.value_or("");
  wishes.overrides = {s.mlp_lut, s.mlp_rank, s.attn_lut, s.attn_rank};
  wish_layer_overrides(s.layer_overrides, wishes);
  wishes.group_size = s.group_size;
  return wishes;
}

void check_init_settings(const InitSettings& s) {
  if (s.dataset.name && s.cache_dir)
    throw_usage("the text is named twice", "--dataset_name, --cache-dir", "drop one of them");
  if (!s.dataset.name && !s.cache_dir && s.start.init != StartMethod::svd)
    throw_usage("no text is named", "--init " + choice_name(s.start.init),
                "add --dataset_name TEXT or --cache-dir KD_CACHE");
}

void tell_unread_init_options(const InitSettings& settings, const OptionTable& table) {
  using S = InitSettings;
  std::vector<OptionEffect<S>> effects;
  effects.push_back({"model-revision", "on a local model: revisions are the hub's",
                     [](const S& s) { return is_local(HubKind::model, s.model_id); }});
  effects.push_back({"token-weight", "with an --init that looks at no inputs",
                     [](const S& s) { return moments_needed(s.start.init) == MomentsNeeded::none; }});
  effects.push_back({"target-correction", "with another --init than gptq and cd",
                     [](const S& s) { return moments_needed(s.start.init) != MomentsNeeded::full; }});
  for (const char* name : {"rounds", "descent", "fit-b", "fit-lut"})
    effects.push_back(
        {name, "with another --init than cd", [](const S& s) { return s.start.init != StartMethod::cd; }});
  const auto no_dataset = [](const S& s) { return !s.dataset.name; };
  for (const char* name : dataset_details_and({"max_length", "seed"}))
    effects.push_back({name, "without --dataset_name", no_dataset});
  effects.push_back({"calibration-tokens", "with --init svd, which looks at no text", [](const S& s) {
                       return s.start.init == StartMethod::svd && !s.dataset.name && !s.cache_dir;
                     }});
  tell_unread(unread_options(effects, settings, [&](const std::string& name) { return table.given(name); }));
}

}  // namespace anemll
