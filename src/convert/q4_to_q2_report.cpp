// What a 4-bit to 2-bit conversion says of itself: lines for people, and config.json.
#include "anemll/core/log.hpp"
#include "anemll/quant/presets.hpp"
#include "src/convert/internal/expand_scales.hpp"
#include "src/convert/q4_to_q2.hpp"
#include "src/quant/layer_overrides.hpp"
#include "src/student/checkpoint_config.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace anemll {
namespace {

/// "MLP tables 16 -> 4 entries" and how many linears that holds for.
struct Row {
  std::string_view verb;
  std::string text;
  std::int64_t linears = 0;
  double squared_error = 0;  ///< sum over them
  bool table = false;        ///< it is about a smaller table
};

class Rows {
 public:
  void add(std::string_view verb, const std::string& text, double error = 0, bool table = false) {
    const auto same = std::find_if(rows_.begin(), rows_.end(),
                                   [&](const Row& r) { return r.verb == verb && r.text == text; });
    Row& row = same == rows_.end() ? rows_.emplace_back(Row{verb, text, 0, 0, table}) : *same;
    ++row.linears;
    row.squared_error += error * error;
  }

  /// "verb: what (n linears), what (n linears)", or nothing.
  std::string line(std::string_view verb, const std::string& more, const Q2Options& options) const {
    std::string text;
    for (const Row& row : rows_) {
      if (row.verb != verb) continue;
      text.append(text.empty() ? "" : ", ").append(row.text);
      text += strf(" (%lld linear%s", static_cast<long long>(row.linears), row.linears == 1 ? "" : "s");
      if (row.table) {
        text.append("; ").append(choice_name(options.reduce));
        if (options.compat == Compat::none)
          text += strf(", the weights change by %.1f %%",
                       100 * std::sqrt(row.squared_error / static_cast<double>(row.linears)));
      }
      text += ")";
    }
    if (text.empty()) return text;
    return std::string(verb) + ": " + text + more + "\n";
  }

 private:
  std::vector<Row> rows_;
};

std::string arrow(std::int64_t from, std::int64_t to) {
  return std::to_string(from) + " -> " + std::to_string(to);
}

}  // namespace

bool loses(const std::vector<Q2Change>& changes) {
  return std::any_of(changes.begin(), changes.end(), [](const Q2Change& change) {
    return change.started || change.to.lut_size < change.from.lut_size || change.to.rank < change.from.rank;
  });
}

std::string changes_text(const std::vector<Q2Change>& changes, const Q2Options& options) {
  const bool reference = options.compat == Compat::reference;
  Rows rows;
  for (const Q2Change& change : changes) {
    const std::string kind = change.mlp ? "MLP" : "attention";
    const LinearQuant &from = change.from, &to = change.to;
    if (change.started) {
      rows.add("started from the float weights", kind + " " + to.describe());
      continue;
    }
    if (from.lut_size == to.lut_size) {
      rows.add("kept", kind + " tables of " + std::to_string(to.lut_size) + " entries" +
                           (reference ? "" : " and their indices"));
    } else {
      rows.add("reduced", kind + " tables " + arrow(from.lut_size, to.lut_size) + " entries",
               change.weight_error, true);
    }
    if (from.rank == to.rank) {
      rows.add("kept", kind + " scales of rank " + std::to_string(to.rank));
    } else {
      rows.add(from.rank < to.rank ? "expanded" : "reduced",
               kind + " scales rank " + arrow(from.rank, to.rank));
    }
  }
  const std::string kept = rows.line("kept", ", float weights, norms, embedding and head", options);
  return (kept.empty() ? "kept: float weights, norms, embedding and head\n" : kept) +
         rows.line("reduced", "", options) +
         rows.line("expanded",
                   strf(": new components have magnitude %g and random directions of seed %llu",
                        kNewMagnitude, static_cast<unsigned long long>(options.seed)),
                   options) +
         rows.line("started from the float weights", "", options) +
         (reference ? "left out: all indices; the program that loads the file chooses them from the float "
                      "weights, as for the reference's own files\n"
                    : "");
}

std::string q2_config(const QuantSpec& spec, const Q2ConfigFacts& facts, const Q2Options& options) {
  const QuantScheme usual = spec.usual();
  nlohmann::ordered_json config;
  config["version"] = "v2";
  config["model_id"] = facts.model_id;
  config["converted_from"] = "q4_a4";
  config["source_checkpoint"] = facts.source_checkpoint;
  config["lut_bits"] = bits_of(usual.mlp_lut);
  config["attn_lut_bits"] = bits_of(usual.attn_lut);
  config["scale_rank"] = usual.mlp_rank;
  config["attn_scale_rank"] = usual.attn_rank;
  config["force_positive_scales"] = spec.force_positive_scales();
  config["magnitude_activation"] = "identity";
  if (options.compat == Compat::reference) return config_text(config);
  if (facts.model_revision) config["model_revision"] = *facts.model_revision;
  // The reference's trainer asks for --config where this is missing.
  if (const std::string preset = preset_name(spec); !preset.empty()) config["config_preset"] = preset;
  config["group_size"] = spec.group_size();
  config["lut_reduce"] = choice_name(options.reduce);
  config["seed"] = options.seed;
  if (nlohmann::ordered_json others = layer_overrides(spec); !others.empty())
    config["layer_overrides"] = std::move(others);
  return config_text(config);
}

}  // namespace anemll
