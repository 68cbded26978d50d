// anemll_convert q4-to-q2: the options, the order of the work, and what it says.
#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/quant/presets.hpp"
#include "src/convert/q4_to_q2.hpp"
#include "src/core/tool.hpp"
#include "src/source/recorded_model.hpp"
#include "src/tools/convert_commands.hpp"
#include "src/tools/convert_common.hpp"
#include "src/tools/convert_eval.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace anemll {
namespace {

namespace fs = std::filesystem;
using Number = std::optional<std::int64_t>;

// What the reference measured on Qwen3-0.6B; said where nothing is measured.
constexpr const char* kExpected =
    "Expect the KD loss to jump. Not measured here; the reference's range: from 0.13 to 4.9 or 5.8, back at "
    "0.5 to "
    "1.0 within 1,000 to 2,000 steps of training. --eval --cache-dir CACHE measures it.\n";

constexpr const char* kNothingLost =
    "No table and no rank is smaller than it was: the KD loss stays about the same. --eval --cache-dir CACHE "
    "measures it.\n";

struct Settings {
  std::string checkpoint, output;
  ModelFlags model;
  Number q4_rank, mlp_rank, attn_rank, mlp_lut, attn_lut;
  std::string preset = "q2a4";
  Q2Options options;
  std::int64_t seed = 0;
  ConvertEvalOptions eval;
};

OptionTable make_table(Settings& s) {
  OptionTable table(
      "anemll_convert q4-to-q2",
      "A trained 4-bit checkpoint as the start of a 2-bit one. Ranks and table sizes of the source are "
      "those of its tensors.");
  table.group("Files");
  table.add("q4-checkpoint", &s.checkpoint, "trained V2 checkpoint (.pt) to start from");
  table.require("q4-checkpoint");
  table.add("output", &s.output, "file to write (.pt), in a folder of its own; config.json comes beside it");
  table.require("output");
  add_model_flags(table, s.model, "config.json beside the checkpoint");
  table.group("Conversion");
  table.add("config", &s.preset, std::string("what it becomes: ") += preset_words());
  table.add("q2-mlp-rank", &s.mlp_rank, "scale rank of MLP linears (default: of --config, 32)", 1, 4096);
  table.add("q2-attn-rank", &s.attn_rank, "scale rank of attention linears (default: of --config, 8)", 1,
            4096);
  table.add("q2-mlp-lut-size", &s.mlp_lut, "table entries of MLP linears (default: of --config, 4)", 2, 256);
  table.add("q2-attn-lut-size", &s.attn_lut, "table entries of attention linears (default: of --config, 16)",
            2, 256);
  table.add("q4-rank", &s.q4_rank, "rank of the source; the checkpoint's shapes win, then its config.json", 1,
            4096);
  table.add_choice(
      "lut-reduce", &s.options.reduce,
      "how a table becomes smaller; kmeans-entries is the reference's, which looks at no weight, and gave "
      "the lowest losses");
  table.add("seed", &s.seed, "seed of the new ranks' directions", 0, INT64_MAX);
  table.add_choice("compat", &s.options.compat,
                   "reference: no indices are written, and its keys in config.json");
  add_eval_options(table, s.eval);
  for (const char* path : {"q4-checkpoint", "output"}) table.mark_path(path);
  return table;
}

/// The flags before the preset's numbers.
QuantScheme target_of(const Settings& s) {
  const auto custom = [](const Number& number, const char* flag) {
    if (!number)
      throw_usage(std::string("--config custom needs ") + flag, "--config",
                  "give --q2-mlp-rank, --q2-attn-rank, --q2-mlp-lut-size and --q2-attn-lut-size");
    return *number;
  };
  if (s.preset == kCustomPreset) {
    return {custom(s.mlp_lut, "--q2-mlp-lut-size"),
            custom(s.mlp_rank, "--q2-mlp-rank"),
            custom(s.attn_lut, "--q2-attn-lut-size"),
            custom(s.attn_rank, "--q2-attn-rank"),
            {}};
  }
  QuantScheme target = preset_scheme(s.preset);
  target.mlp_lut = s.mlp_lut.value_or(target.mlp_lut);
  target.mlp_rank = s.mlp_rank.value_or(target.mlp_rank);
  target.attn_lut = s.attn_lut.value_or(target.attn_lut);
  target.attn_rank = s.attn_rank.value_or(target.attn_rank);
  for (std::size_t i = 0; i < target.kinds.size(); ++i) {
    if (!target.kinds[i]) continue;
    const bool mlp = static_cast<LayerLinear>(i) >= LayerLinear::gate;
    target.kinds[i]->lut = (mlp ? s.mlp_lut : s.attn_lut).value_or(target.kinds[i]->lut);
    target.kinds[i]->rank = (mlp ? s.mlp_rank : s.attn_rank).value_or(target.kinds[i]->rank);
  }
  return target;
}

/// The source's rank on the command line, where its tensors say otherwise.
void tell_rank(const Number& said, const QuantScheme& usual) {
  if (!said || (*said == usual.mlp_rank && *said == usual.attn_rank)) return;
  log_warning(
      strf("--q4-rank %lld is not what the checkpoint holds: its shapes say %lld (MLP) and %lld "
           "(attention), which is used",
           static_cast<long long>(*said), static_cast<long long>(usual.mlp_rank),
           static_cast<long long>(usual.attn_rank)));
}

}  // namespace

int convert_q4_to_q2_command(int argc, const char* const* argv) {
  Settings s;
  OptionTable table = make_table(s);
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  check_eval_options(s.eval, table);
  s.options.target = target_of(s);
  s.options.seed = static_cast<std::uint64_t>(s.seed);

  const fs::path target = fs::absolute(s.output);
  V2Checkpoint checkpoint = open_checkpoint(s.checkpoint);
  const auto folder = take_checkpoint_folder(target, "--output");
  const at::Device device = prepare_compute(s.model);
  const FoundModel model = open_recorded_model(s.model, table, recorded_model(checkpoint),
                                               s.eval.on ? ModelUse::generation : ModelUse::weights);
  const auto started = add_missing_linears(checkpoint, model.files, s.options.target);
  Student q4 = open_student(checkpoint, model.files, device);
  tell_rank(s.q4_rank, q4.spec().usual());
  // Before anything is written: a cache of another model must not cost a conversion.
  std::unique_ptr<ConvertEval> eval;
  if (s.eval.on)
    eval = std::make_unique<ConvertEval>(s.eval, model.opened, target.parent_path().parent_path());

  Q2Result result = convert_q4_to_q2(q4, started, s.options, device);
  const Q2ConfigFacts facts{id_to_record(model.name.id),
                            revision_to_record(model.name.id, model.name.hub.revision), s.checkpoint};
  write_checkpoint(*folder, target, q2_state_dict(result.student, s.options.compat),
                   q2_config(result.student.spec(), facts, s.options));
  print_result(changes_text(result.changes, s.options));
  if (!eval) {
    print_result(loses(result.changes) ? kExpected : kNothingLost);
    return 0;
  }
  // The written file, as the next program reads it.
  Student q2 = open_student(open_checkpoint(target.string()), model.files, device);
  print_result(eval->compare(q4, q2));
  return 0;
}

}  // namespace anemll
