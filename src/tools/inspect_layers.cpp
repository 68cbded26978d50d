// anemll_inspect layers: reads a checkpoint and its model, measures, prints.
#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/core/options.hpp"
#include "anemll/hub/hub.hpp"
#include "anemll/model/compute_options.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/metrics_log.hpp"
#include "src/core/option_effects.hpp"
#include "src/data/first_rows.hpp"
#include "src/distill/kd_loss.hpp"
#include "src/inspect/inspection.hpp"
#include "src/inspect/kd_gradients.hpp"
#include "src/inspect/text_table.hpp"
#include "src/inspect/token_rows.hpp"
#include "src/source/recorded_model.hpp"
#include "src/student/student.hpp"
#include "src/student/v2_checkpoint.hpp"
#include "src/tools/inspect_commands.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace anemll {
namespace {

void print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
}

struct Options {
  std::string checkpoint;
  ModelFlags model;
  std::optional<std::string> cache_dir, text;
  std::int64_t samples = 8;
  std::int64_t ctx = 256;
  double temperature = 2.0;
  std::int64_t top = 0;
  std::int64_t threads = 0;
  bool json = false;
};

OptionTable make_table(Options& o) {
  OptionTable table("anemll_inspect layers",
                    "Each quantised linear of a checkpoint against the model's own; the worst output first.");
  table.add_positional("CHECKPOINT", &o.checkpoint, "V2 or V1 checkpoint (.pt), trained or snapped", true);
  add_model_flags(table, o.model, "config.json beside the checkpoint");
  table.add("cache-dir", &o.cache_dir,
            "KD cache: its tokens are the inputs of the layers, its teacher gives the gradients; without it "
            "weights alone are compared (.pt shards are imported once, beside the checkpoint)");
  table.add("text", &o.text,
            "UTF-8 text whose tokens are the inputs of the layers; a cache then gives the gradients alone");
  table.add("samples", &o.samples, "sequences of the cache and of the text, from their starts", 1, 1 << 20);
  table.add("ctx", &o.ctx, "tokens of a sequence of --text", 1, 1 << 20);
  table.add("temperature", &o.temperature, "of the KD loss whose gradients are shown", 1e-3, 1e3);
  table.add("top", &o.top, "linears to print; 0: all", 0, 1 << 20);
  add_threads_option(table, &o.threads);
  table.add_flag("json", &o.json, "one JSON object with all figures of all linears");
  table.mark_path("CHECKPOINT");
  table.mark_path("cache-dir");
  table.mark_path("text");
  return table;
}

std::vector<OptionEffect<Options>> effects() {
  const auto no_cache = [](const Options& o) { return !o.cache_dir; };
  return {{"samples", "without --cache-dir or --text: only weights are compared",
           [no_cache](const Options& o) { return no_cache(o) && !o.text; }},
          {"ctx", "without --text", [](const Options& o) { return !o.text; }},
          {"temperature", "without --cache-dir: there are no gradients", no_cache},
          {"top", "with --json, which has all", [](const Options& o) { return o.json; }}};
}

TokenRows rows_of_text(const Options& o, const OpenModel& opened, const std::string& model_id) {
  const TextModel text = load_text_model(opened.path, TokenizerRules::as_written, opened.gguf.get());
  text.inventory.tell(model_id, o.model.strict);
  std::vector<std::int32_t> ids;
  try {
    ids = text.tokenizer.encode(read_input_text(*o.text));
  } catch (const Error& e) {
    throw Error(e.code(), e.problem(), *o.text, e.hint());  // the tokenizer does not know whose text it is
  }
  return token_rows(ids, o.samples, o.ctx, opened.architecture.vocab_size, *o.text);
}

void tell_adapters(const V2Checkpoint& checkpoint) {
  const bool some = std::any_of(checkpoint.tensors.begin(), checkpoint.tensors.end(),
                                [](const auto& entry) { return entry.first.ends_with(".lora_A"); });
  if (some)
    log_warning("the adapters of " + checkpoint.file + " (lora_A, lora_B) are left out of all figures");
}

}  // namespace

int inspect_layers_command(int argc, const char* const* argv) {
  Options o;
  OptionTable table = make_table(o);
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  const V2Checkpoint checkpoint = open_v2_checkpoint(o.checkpoint);
  tell_adapters(checkpoint);
  tell_unread(unread_options(effects(), o, [&](const std::string& name) { return table.given(name); }));
  const at::Device device = prepare_compute(o.model, o.threads);
  const NamedModel named = find_recorded_model(o.model, table, recorded_model(checkpoint),
                                               o.text ? ModelUse::all : ModelUse::weights);
  const std::string& model_id = named.name.id;
  std::optional<TokenRows> rows;
  if (o.text)
    rows = rows_of_text(o, named.opened, model_id);  // before the weights are read: the file may be none
  const ModelFiles model = load_named_model(named, o.model.strict);
  Student student = open_student(checkpoint, model, device, /*ste=*/false);
  const std::string quantisation = student.spec().describe();

  KdLossSums loss;
  student.set_evaluation();
  if (o.cache_dir) {
    const auto folder = std::filesystem::absolute(o.checkpoint).parent_path();
    const KdBatch batch = read_first_rows(*o.cache_dir, folder, o.samples, ids_of(named.opened));
    KdLossOptions options;
    options.temperature = o.temperature;
    loss = kd_gradients(student, batch, options, device);
    if (!rows) rows = token_rows(batch);
  }
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  const double per_token = loss.tokens > 0 ? 1 / loss.tokens : kUnknown;
  const double kd_loss = loss.kl * per_token;
  const Inspection found = inspect_layers(student, model, rows ? &*rows : nullptr, device, per_token);

  if (o.json) {
    JsonLine line;
    line.add("checkpoint", o.checkpoint).add("model", model_id).add("quantisation", quantisation);
    line.add("sequences", rows ? rows->rows() : 0).add("temperature", o.temperature).add("kd_loss", kd_loss);
    line.add_json("layers", rows_json(layer_columns(), found.layers));
    line.add_json("blocks", rows_json(block_columns(), found.blocks));
    print(indented_json(line.text()));
    return 0;
  }
  std::string text = strf("%s: %zu linears (%s) against %s\n", o.checkpoint.c_str(), found.layers.size(),
                          quantisation.c_str(), model_id.c_str());
  if (rows) {
    text += strf("outputs on %lld sequences of %s\n", static_cast<long long>(rows->rows()),
                 o.text.value_or(o.cache_dir.value_or("")).c_str());
  } else {
    text += "weights alone, without --cache-dir or --text\n";
  }
  if (o.cache_dir)
    text += strf("gradients of the KD loss on %s: %.6f a token at temperature %g\n", o.cache_dir->c_str(),
                 kd_loss, o.temperature);
  print(text + tables(layer_columns(), found.layers, o.top) + tables(block_columns(), found.blocks, 0));
  return 0;
}

}  // namespace anemll
