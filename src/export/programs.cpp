#include "src/export/programs.hpp"

#include "anemll/core/log.hpp"
#include "src/core/shell_word.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <utility>

namespace anemll {
namespace {

// The only family that the AQ1 converters are written for: they apply its norms of q and k to any model.
constexpr std::string_view kFamily = "qwen3";
// Above it the weights have little to do with the trained ones.
constexpr double kAnother = 0.5;

struct Program {
  std::string_view name;
  Consumer reading;
  bool any_family = false;  ///< computes with the model's own class
  bool any_table = true;    ///< also tables of 1 and 3 bits
  bool any_mix = true;      ///< also MLP linears of different tables
};
constexpr auto kPrograms = std::to_array<Program>({
    {"convert_v2_trace.py", Consumer::raw},
    {"qwen_converter --part aq1_full", Consumer::factored, false, false},
    {"qwen_converter --aq1-materialized, aq1_ffn", Consumer::weight, false, false},
    {"load_baked_weights_for_ane, load_dynamic_weights_for_ane", Consumer::clamp},
    {"load_anemll_weights", Consumer::conv},
    {"test_qwenAQ1_load.py", Consumer::weight, false, true, false},
    {"test_qwenAQ1_load_rf.py", Consumer::raw, true},
    {"the reference's export_v2_to_hf, test_inference", Consumer::reference, true},
});

std::string figures(const ReadingError& error) {
  std::string text = strf("weights off by %.2g", error.weight_error);
  if (error.kl) text += strf(", KL %.2g", *error.kl);
  return text;
}

/// What makes this reading differ, and what helps.
std::string reason(Consumer consumer, const ProgramFacts& facts) {
  switch (consumer) {
    case Consumer::conv:
      return facts.reference_layout
                 ? "it takes entry 0 of .lut for every weight: give --layout no-lut"
                 : "with .lut in the file it takes entry 0 for every weight, and it clamps "
                   "scales: give --layout no-lut, and --positive-scales";
    case Consumer::clamp:
    case Consumer::weight:
      return facts.reference_layout ? "it does not normalise scales: give --layout universal"
                                    : "it clamps the negative scales: give --positive-scales";
    case Consumer::raw:
    case Consumer::factored:
    case Consumer::abs:
    case Consumer::reference:
      break;
  }
  return facts.reference_layout ? "it does not normalise scales: give --layout universal"
                                : "this file is not the trained model";
}

/// Why it cannot take the tables of the model at all; null where it can.
const char* refusal(const Program& program, const ProgramFacts& facts) {
  if (!program.any_table && facts.odd_tables)
    return "it has no type for indices of 1 or 3 bits and ends with an error";
  if (!program.any_mix && facts.mixed_mlp) return "it wants one table size for all MLP linears";
  return nullptr;
}

ProgramVerdict verdict_of(const Program& program, const ProgramFacts& facts, double right,
                          const ReadingError& error) {
  ProgramVerdict verdict{std::string(program.name), Reading::right, error.weight_error, error.kl, {}};
  const auto say = [&verdict](Reading reading, std::string words) {
    verdict.reading = reading;
    verdict.words = std::move(words);
    return verdict;
  };
  if (const char* why = refusal(program, facts))
    return say(Reading::refuses, std::string("cannot read it: ") + why);
  if (!program.any_family && facts.family != kFamily)
    return say(Reading::another,
               "ends with 0 and computes another model: it is written for Qwen3 and applies "
               "its norms of q and k to this " +
                   facts.family + " model; give it the merged folder");
  // Written so that NaN is no right reading.
  if (error.weight_error <= right) return say(Reading::right, "reads it right (" + figures(error) + ")");
  const std::string why = reason(program.reading, facts);
  if (error.weight_error <= kAnother)
    return say(Reading::changed, "reads it changed (" + figures(error) + "): " + why);
  return say(Reading::another, "computes another model (" + figures(error) + "): " + why);
}

}  // namespace

ProgramFacts program_facts(const Architecture& architecture, const QuantSpec& spec, bool reference_layout) {
  ProgramFacts facts;
  facts.family = architecture.family;
  facts.reference_layout = reference_layout;
  std::optional<std::int64_t> mlp;
  for (const QuantSpec::Entry& entry : spec.entries()) {
    const std::int64_t bits = entry.quant.bits();
    facts.odd_tables = facts.odd_tables || (bits != 2 && bits != 4);
    if (!entry.mlp) continue;
    facts.mixed_mlp = facts.mixed_mlp || (mlp && *mlp != bits);
    mlp = bits;
  }
  return facts;
}

std::vector<ProgramVerdict> program_verdicts(const ProgramFacts& facts, double right,
                                             const std::function<ReadingError(Consumer)>& error) {
  std::vector<ProgramVerdict> verdicts;
  for (const Program& program : kPrograms)
    verdicts.push_back(verdict_of(program, facts, right, error(program.reading)));
  return verdicts;
}

std::string mix_text(const ProgramFacts& facts) {
  if (!facts.odd_tables && !facts.mixed_mlp) return {};
  std::string takes, refuses;
  for (const Program& program : kPrograms) {
    const char* why = refusal(program, facts);
    std::string& list = why != nullptr ? refuses : takes;
    list.append(list.empty() ? "" : "; ").append(program.name);
    if (why != nullptr) list.append(" (").append(why).append(")");
  }
  std::string text = "These tables can be taken by: " + takes + "\n";
  if (!refuses.empty()) text.append("They cannot be taken by: ").append(refuses).append("\n");
  return text;
}

std::string converter_command(const ConverterCommand& c) {
  const std::filesystem::path folder = std::filesystem::path(c.file).parent_path();
  if (c.family != kFamily) {
    const std::string merged = folder.string() + "-merged";
    return "The AQ1 converters are written for Qwen3. What works for this " + c.family +
           " model, in the folder of ANEMLL:\n  anemll_convert merge " + shell_word(c.checkpoint) + " " +
           shell_word(merged) + " --dtype fp16\n  anemll/utils/convert_model.sh --model " +
           shell_word(merged) + " --output " + shell_word(folder.string() + "-coreml") + "\n";
  }
  std::string text = "To convert it, in the folder of ANEMLL (branch anemll-quant-1):\n";
  text += "  python tests/dev/convert_v2_trace.py --checkpoint " + shell_word(c.file) + " --model " +
          (c.model_is_local ? std::string("ORG/NAME") : shell_word(c.model)) +
          " --context 512 --batch 64 --output " + shell_word(folder.string() + "-coreml") +
          strf(" --mode both --prefix qwen --mlp-bits %lld --attn-bits %lld\n",
               static_cast<long long>(c.mlp_bits), static_cast<long long>(c.attn_bits));
  if (c.model_is_local)
    text += "  ORG/NAME: the model's name on the hub; the script fails on a local folder (" + c.model + ")\n";
  return text;
}

}  // namespace anemll
