// The table of anemll_calibrate: the only place that spells its options.
#include "anemll/core/error.hpp"
#include "anemll/hub/hub.hpp"
#include "anemll/model/compute_options.hpp"
#include "src/calib/calibrate.hpp"
#include "src/comm/watched_ranks.hpp"
#include "src/datasets/mixture.hpp"
#include "src/hub/hub_options.hpp"

#include <algorithm>
#include <cstdint>

namespace anemll {

OptionTable make_calibrate_table(CalibrateOptions& o) {
  OptionTable table(
      "anemll_calibrate",
      "Second moments of what the linears of a model get, over a text: what data-aware quantisation "
      "starts from.");
  table.group("Model");
  add_model_option(table, "model-id", &o.model_id, "model: folder, .gguf file, or org/name on the hub");
  add_revision_option(table, "model-revision", &o.model_revision, "the model");
  table.group("Text");
  add_dataset_options(table, o.text.dataset);
  table.add("cache-dir", &o.text.cache, "KD cache whose sequences are the text");
  table.add("work-dir", &o.work_dir, "where .pt shards of a cache are imported once");
  table.add("num-sequences", &o.text.rows, "sequences to calibrate on", 1, std::int64_t{1} << 30);
  table.add("max_length", &o.text.length, "tokens of a sequence", 2, 1 << 20);
  table.add("holdout", &o.text.holdout, "share of the documents left for evaluation, as in anemll_precompute",
            0, 0.5);
  table.add("seed", &o.seed, "of the order of the documents and of the hold-out", 0, INT64_MAX);
  table.group("Moments");
  table.add_choice("token-weight", &o.token_weight,
                   "what a token counts; norm: 1 / squared norm of the block's output; fisher: squared "
                   "gradients of the loss, by a pass through the whole model");
  table.add_flag("full", &o.full, "whole matrices, which error feedback needs; else diagonals alone");
  table.group("Output");
  table.add("output", &o.output, "file to make, .h5");
  table.add_flag("resume", &o.resume, "go on where an earlier run stopped; leaves a finished file as it is");
  table.add_flag("overwrite", &o.overwrite, "start anew and replace what is there");
  table.add("combine", &o.combine, "file of moments to put together in --output; may be given several times");
  table.add("show", &o.show, "file of moments to tell of");
  table.group("Hub");
  add_hub_cache_option(table, &o.hub_cache);
  add_local_files_option(table, "local-files-only", &o.text.hub.local_files_only);
  table.group("Machine");
  add_threads_option(table, &o.threads);
  add_watch_option(table, &o.work_timeout);
  for (const char* path : {"cache-dir", "work-dir", "output", "combine", "show"}) table.mark_path(path);
  return table;
}

void check_calibrate_options(const CalibrateOptions& o) {
  if (o.show) return;
  if (o.output.empty())
    throw_usage("this option is required", "--output", "the file to make, for example moments.h5");
  if (o.resume && o.overwrite)
    throw_usage("--resume and --overwrite contradict each other", "command line", "give one of them");
  if (!o.combine.empty()) return;
  if (o.model_id.empty())
    throw_usage("this option is required", "--model-id", "a folder, a .gguf file, or org/name");
  if (!o.text.dataset.name && !o.text.cache)
    throw_usage("there is no text", "--dataset_name, --cache-dir",
                "for example --dataset_name wiki.txt:0.5,c4.jsonl:0.5");
  if (o.text.dataset.name) mixture_of(o.text.dataset);  // its errors come before any work
  if (o.text.dataset.name && o.text.cache)
    throw_usage("text comes from one of both", "--dataset_name, --cache-dir", "drop one of them");
}

std::vector<OptionEffect<CalibrateOptions>> calibrate_option_effects() {
  using Options = CalibrateOptions;
  std::vector<OptionEffect<Options>> effects;
  const std::vector<const char*> of_text = dataset_details_and({"max_length", "holdout", "seed"});
  std::vector<const char*> of_reading = of_text;
  of_reading.insert(of_reading.end(),
                    {"model-id", "model-revision", "dataset_name", "cache-dir", "work-dir", "num-sequences",
                     "token-weight", "full", "hub-cache", "local-files-only", "threads", "resume"});
  for (const char* name : of_reading)
    effects.push_back({name, "with --combine or --show, which read files of moments alone",
                       [](const Options& o) { return !o.reads_text(); }});
  for (const char* name : {"output", "overwrite", "combine"})
    effects.push_back(
        {name, "with --show, which makes nothing", [](const Options& o) { return o.show.has_value(); }});
  const auto cache = [](const Options& o) { return o.text.cache.has_value(); };
  for (const char* name : of_text)
    effects.push_back({name, "with --cache-dir, whose sequences are as they are", cache});
  effects.push_back({"model-revision", "on a local model: revisions are the hub's",
                     [](const Options& o) { return is_local(HubKind::model, o.model_id); }});
  effects.push_back({"dataset_revision", "on local data: revisions are the hub's", [](const Options& o) {
                       const auto parts = mixture_of(o.text.dataset);
                       return !parts.empty() &&
                              std::all_of(parts.begin(), parts.end(), [](const MixturePart& part) {
                                return is_local(HubKind::dataset, part.name);
                              });
                     }});
  effects.push_back({"work-dir", "without --cache-dir", [](const Options& o) { return !o.text.cache; }});
  return effects;
}

}  // namespace anemll
