// anemll_convert v1-to-v2: the options, the order of the work, and how the written file is verified.
#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/quant/presets.hpp"
#include "src/convert/v1_to_v2.hpp"
#include "src/core/option_effects.hpp"
#include "src/core/tool.hpp"
#include "src/source/recorded_model.hpp"
#include "src/student/checkpoint_config.hpp"
#include "src/tools/convert_commands.hpp"
#include "src/tools/convert_common.hpp"
#include "src/tools/convert_eval.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace anemll {
namespace {

namespace fs = std::filesystem;
using Number = std::optional<std::int64_t>;

// Scales that were only taken apart and put together again, with V2's epsilon, differ by less.
constexpr double kSameScales = 1e-3;

struct Settings {
  std::string checkpoint, output;
  ModelFlags model;
  Number lut_bits, attn_lut_bits, rank, attn_rank;
  std::optional<std::string> preset;
  std::int64_t group_size = 32;
  bool expand_rank = false, ste = false;
  std::int64_t seed = 0;
  bool verify = false;
  std::optional<std::string> cache_dir;
  std::int64_t samples = 40;
};

OptionTable make_table(Settings& s) {
  OptionTable table(
      "anemll_convert v1-to-v2",
      "A trained V1 checkpoint as a V2 checkpoint in fp32, with _Q and _indices. Table sizes and "
      "ranks are those of its tensors.");
  table.group("Files");
  table.add("v1-checkpoint", &s.checkpoint,
            "trained V1 checkpoint: a .pt file, or a folder with model_state_dict.pt or best_state_dict.pt");
  table.require("v1-checkpoint");
  table.add("output", &s.output, "file to write (.pt), in a folder of its own; config.json comes beside it");
  table.require("output");
  add_model_flags(table, s.model, "config.json beside the checkpoint");
  table.group("Linears that V1 left float, ranks of full scales, and of --expand-rank");
  table.add("config", &s.preset, (std::string("preset: ") += preset_words()) + " (default: q2a4)");
  table.add("lut-bits", &s.lut_bits, "bits of MLP tables (default: of --config)", 1, 8);
  table.add("attn-lut-bits", &s.attn_lut_bits, "bits of attention tables (default: of --config)", 1, 8);
  table.add("scale-rank", &s.rank, "scale rank of MLP linears (default: of --config)", 1, 4096);
  table.add("attn-scale-rank", &s.attn_rank, "scale rank of attention linears (default: of --config)", 1,
            4096);
  table.add("group-size", &s.group_size, "columns per block where scales are made (default: of config.json)",
            1, 1 << 20);
  table.add_flag("expand-rank", &s.expand_rank, "V1's ranks grow to those numbers; else they stay");
  table.add_flag(
      "ste", &s.ste,
      "choose indices by magnitudes rounded to half, as a run with --ste on does; the reference's does not");
  table.add("seed", &s.seed, "seed of the new ranks' directions", 0, INT64_MAX);
  table.group("Verification");
  table.add_flag("verify", &s.verify,
                 "read the written file, compare its scales with V1's, and with --cache-dir the KD losses");
  table.add("cache-dir", &s.cache_dir, "KD cache to compare the losses with");
  table.add("samples", &s.samples, "sequences to score, from the cache's start", 1, 1 << 20);
  for (const char* path : {"v1-checkpoint", "output", "cache-dir"}) table.mark_path(path);
  return table;
}

Number entries(const Number& bits) {
  return bits ? Number(std::int64_t{1} << *bits) : Number();
}

QuantWishes wishes_of(const Settings& s, const OptionTable& table) {
  QuantWishes wishes;
  wishes.preset = s.preset.value_or("");
  wishes.overrides = {entries(s.lut_bits), s.rank, entries(s.attn_lut_bits), s.attn_rank};
  wishes.flags = {"--lut-bits", "--scale-rank", "--attn-lut-bits", "--attn-scale-rank"};
  wishes.group_size = s.group_size;
  wishes.group_size_given = table.given("group-size");
  return wishes;
}

void tell_unread_flags(const Settings& s, const OptionTable& table) {
  std::vector<OptionEffect<Settings>> effects;
  effects.push_back({"cache-dir", "without --verify", [](const Settings& o) { return !o.verify; }});
  effects.push_back({"samples", "without --cache-dir", [](const Settings& o) { return !o.cache_dir; }});
  effects.push_back({"seed", "without --expand-rank", [](const Settings& o) { return !o.expand_rank; }});
  tell_unread(unread_options(effects, s, [&](const std::string& name) { return table.given(name); }));
}

/// One line, where flags say otherwise than the shapes.
void tell_contradictions(const V1Plan& plan) {
  std::string text;
  for (const V1Contradiction& c : plan.contradictions) {
    const auto number = [&c](std::int64_t value) { return std::to_string(c.table ? bits_of(value) : value); };
    text.append(text.empty() ? "--" : ", --")
        .append(c.mlp ? "" : "attn-")
        .append(c.table ? "lut-bits " : "scale-rank ");
    text.append(number(c.wanted)).append(" (it has ").append(number(c.has)).append(")");
  }
  if (!text.empty()) log_warning(text + ": the shapes of the V1 checkpoint say otherwise and are used");
}

std::string config_of(const V1Plan& plan, const ModelChoice& model, const std::string& source) {
  nlohmann::ordered_json config =
      checkpoint_config(plan.to, {id_to_record(model.id), revision_to_record(model.id, model.hub.revision)});
  config["converted_from"] = "v1";
  config["source_checkpoint"] = source;
  add_reading_rules(config, plan.to);
  return config_text(config);
}

/// What the comparison found, in lines. Data error where scales that stay do not.
std::string verified_scales(const std::vector<ScaleDifference>& differences, const std::string& file) {
  std::size_t kept = 0, others = 0;
  const ScaleDifference *worst_kept = nullptr, *worst_other = nullptr;
  std::int64_t raised = 0, weights = 0;
  for (const ScaleDifference& d : differences) {
    raised += d.raised;
    weights += d.weights;
    ++(d.kept_rank ? kept : others);
    const ScaleDifference*& worst = d.kept_rank ? worst_kept : worst_other;
    if (worst == nullptr || !(d.error <= worst->error)) worst = &d;
  }
  std::string text;
  const auto line = [&text](const char* what, std::size_t count, const ScaleDifference* worst) {
    if (worst != nullptr)
      text += strf("linears with %s rank: %zu, scales differ from V1's by at most %.3g (%s)\n", what, count,
                   worst->error, worst->linear.c_str());
  };
  line("V1's", kept, worst_kept);
  line("another", others, worst_other);
  text += strf("scales that V1 raised to 1e-8: %lld of %lld weights; in V2 they keep their sign\n",
               static_cast<long long>(raised), static_cast<long long>(weights));
  if (worst_kept != nullptr && !(worst_kept->error <= kSameScales)) {
    throw_data(
        strf("the scales of %s differ from V1's by %.3g", worst_kept->linear.c_str(), worst_kept->error),
        file,
        "magnitudes near V2's epsilon of 1e-6 are lost: train V1's scales on, or start from its weights");
  }
  return text;
}

}  // namespace

int convert_v1_to_v2_command(int argc, const char* const* argv) {
  Settings s;
  OptionTable table = make_table(s);
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  tell_unread_flags(s, table);

  const fs::path target = fs::absolute(s.output);
  const V2Checkpoint v1 = open_checkpoint(v1_file(s.checkpoint).string());
  const auto folder = take_checkpoint_folder(target, "--output");
  const at::Device device = prepare_compute(s.model);
  const FoundModel model = open_recorded_model(s.model, table, recorded_model(v1), ModelUse::weights);
  const V1Plan plan = plan_v1_to_v2(v1, model.files.architecture, wishes_of(s, table), s.expand_rank);
  for (const std::string& warning : plan.warnings) log_warning(warning);
  tell_contradictions(plan);
  v1_inventory(v1, model.files.architecture, plan).tell(v1.file, s.model.strict);
  // Before anything is written: a cache of another model must not cost a conversion.
  std::unique_ptr<ConvertEval> eval;
  if (s.verify && s.cache_dir) {
    ConvertEvalOptions losses;
    losses.cache_dir = s.cache_dir;
    losses.samples = s.samples;
    losses.max_tokens = 0;
    eval = std::make_unique<ConvertEval>(losses, model.opened, target.parent_path().parent_path());
  }

  V1ToV2Options options;
  options.seed = static_cast<std::uint64_t>(s.seed);
  options.init.ste = s.ste;
  const V2Checkpoint made = convert_v1_to_v2(v1, model.files, plan, options, *make_single_communicator());
  {
    const Student student = Student::from_checkpoint(model.files, made, plan.to, options.init.ste, device);
    write_checkpoint(*folder, target, student.reference_state_dict(false, nullptr, /*with_indices=*/true),
                     config_of(plan, model.name, v1.file));
  }
  print_result(strf("%s: %s\n", target.c_str(), plan.to.describe().c_str()));
  if (!s.verify) return 0;
  // The written file, as the next program reads it.
  Student before = Student::from_checkpoint(model.files, v1, plan.from, options.init.ste, device);
  Student after = open_student(open_checkpoint(target.string()), model.files, device);
  print_result(verified_scales(compare_scales(before, after), target.string()));
  if (eval) print_result(eval->compare(before, after));
  return 0;
}

}  // namespace anemll
