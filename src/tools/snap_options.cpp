#include "src/tools/snap_options.hpp"

#include "anemll/hub/hub.hpp"
#include "src/core/common_options.hpp"
#include "src/hub/hub_options.hpp"

#include <vector>

namespace anemll {

OptionTable make_snap_table(SnapToolOptions& o) {
  OptionTable table("anemll_snap",
                    "FP16 checkpoint for the ANEMLL converters, verified as each of them reads it");
  table.group("Files");
  table.add("checkpoint", &o.checkpoint, "trained V2 checkpoint (.pt)");
  table.require("checkpoint");
  table.add(
      "output", &o.output,
      "folder that gets model_state_dict.pt, config.json and snap_report.json (or a .pt path); without it "
      "nothing is written: the snap is verified and tested only");
  add_model_option(
      table, "model-id", &o.model_id,
      "the unquantised model: folder, .gguf file, or org/name on the hub (default: config.json beside "
      "the checkpoint)");
  add_revision_option(table, "model-revision", &o.model_revision, "the model",
                      "that of config.json without --model-id, else main");
  table.group("Layout");
  table.add_flag("fp16", &o.fp16, "floats of quantised layers as saturated fp16; without it they stay fp32");
  table.add_flag("ane", &o.ane, "the same as --fp16");
  table.add_choice(
      "layout", &o.layout,
      "universal: every converter reads it; reference: what the Python reference writes; no-lut: "
      "universal without .lut, which load_anemll_weights reads wrong");
  table.add_choice("format", &o.format,
                   "torch: a .pt file for the converters; packed: packed.safetensors with codes side by "
                   "side, always fp16, "
                   "which anemll_infer and anemll_eval read and no ANEMLL program does");
  table.add("scale-bits", &o.scale_bits,
            "8: scales on an 8-bit grid, one step for each rank of each factor, exact as fp16; --format "
            "packed then "
            "stores them in 8 bits. 16: as they are",
            8, 16);
  table.add_flag(
      "positive-scales", &o.positive_scales,
      "fit factors and indices anew until every scale is at least 1e-6: programs that clamp scales then "
      "read the file right. By the least error of outputs over the samples of --cache-dir, without it "
      "of weights; what it costs is told");
  table.add("lut-bits", &o.lut_bits, "bits of MLP linears; the checkpoint's shapes win", 1, 8);
  table.add("attn-lut-bits", &o.attn_lut_bits, "bits of attention linears; the checkpoint's shapes win", 1,
            8);
  table.add("scale-rank", &o.scale_rank, "scale rank of MLP linears; the checkpoint's shapes win", 1, 4096);
  table.add("attn-scale-rank", &o.attn_scale_rank,
            "scale rank of attention linears; the checkpoint's shapes win", 1, 4096);
  table.group("Verification");
  table.add("cache-dir", &o.cache_dir,
            "KD cache to score with: HDF5 folder, .h5 file, or .pt shards (imported once, beside the folder "
            "of --output; "
            "without --output for a while); without it effective weights are compared");
  table.add("samples", &o.samples, "sequences to score, from the cache's start", 1, 1 << 20);
  table.add_switch(
      "test", &o.test,
      "four greedy answers of the trained and the snapped model, side by side; on where the model "
      "has its tokenizer beside it");
  table.add("test-tokens", &o.test_tokens, "tokens of such an answer", 1, 1 << 12);
  add_device_option(table, &o.device);
  add_strict_option(table, &o.strict, "the model's files");
  table.add_flag("debug", &o.debug, "one line per linear");
  for (const char* path : {"checkpoint", "output", "cache-dir"}) table.mark_path(path);
  return table;
}

std::vector<OptionEffect<SnapToolOptions>> snap_option_effects() {
  return {{"samples", "without --cache-dir: nothing is scored",
           [](const SnapToolOptions& o) { return !o.cache_dir; }},
          {"test-tokens", "with --no-test", [](const SnapToolOptions& o) { return !o.test; }},
          {"layout", "with --format packed, which has one of its own",
           [](const SnapToolOptions& o) { return o.format == SnapFormat::packed; }}};
}

}  // namespace anemll
