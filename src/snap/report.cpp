#include "src/snap/report.hpp"

#include "anemll/core/log.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

const char* meaning_of(Consumer consumer) {
  switch (consumer) {
    case Consumer::raw:
      return "trace converter: _Q o (A g B)";
    case Consumer::abs:
      return "rank-factored loader without config.json: _Q o (|A| g |B|)";
    case Consumer::clamp:
      return "baked and dynamic loaders: _Q o max(A g B, 1e-8)";
    case Consumer::weight:
      return "MIL converter, materialised: weight o max(A B, 1e-8)";
    case Consumer::reference:
      return "the reference's tools: normalised unless baked";
    case Consumer::factored:
      return "MIL converter: weight o (A B)";
    case Consumer::conv:
      return "load_anemll_weights: lut[0] o max(A B, 1e-8) where there is .lut, else weight";
  }
  return "";
}

double percent(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

/// JSON has no NaN.
nlohmann::ordered_json number(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nullptr;
}

std::string positive_text(const PositiveCost& cost) {
  if (cost.layers == 0) return "  positive scales: none was below 1e-6, nothing was fitted\n";
  std::string text = strf(
      "  positive scales: %lld scales were below 1e-6; %lld linears fitted anew, %lld indices changed\n"
      "  that costs: %s off by %.3g (clamped, the trained scales would be off by %.3g)",
      static_cast<long long>(cost.below), static_cast<long long>(cost.layers),
      static_cast<long long>(cost.recoded),
      cost.by_outputs ? "outputs, by the mean squares of the inputs," : "weights", cost.weight_error,
      cost.clamped_error);
  if (cost.kl) text += strf("; KL from the trained model %.3g nats a token", *cost.kl);
  return text + "\n  all figures below compare with the fitted model\n";
}

std::string grid_text(const GridCost& cost) {
  std::string text = strf(
      "  8-bit scales: %lld linears rounded, %lld rows moved so that their scales stay positive\n"
      "  that costs: weights off by %.3g",
      static_cast<long long>(cost.layers), static_cast<long long>(cost.raised), cost.weight_error);
  if (cost.kl) text += strf("; KL from the model before %.3g nats a token", *cost.kl);
  return text + "\n  all figures below compare with the rounded model\n";
}

const char* word_of(Reading reading) {
  switch (reading) {
    case Reading::right:
      return "right";
    case Reading::changed:
      return "changed";
    case Reading::another:
      return "another";
    case Reading::refuses:
      return "refuses";
  }
  return "";
}

/// As JSON, or null.
nlohmann::ordered_json number_or_null(const std::optional<double>& value) {
  return value ? number(*value) : nullptr;
}

std::string score_line(const SnapReport& report, const ConsumerScore& score) {
  std::string line = strf("  %-10s", name_of(score.consumer));
  if (score.kd_loss)
    line +=
        strf(" %12.6f %+13.6f %10.2e", *score.kd_loss, *score.kd_loss - report.trained_kd_loss.value_or(0),
             score.kl.value_or(std::numeric_limits<double>::quiet_NaN()));
  return line + strf(" %13.3e  %s\n", score.weight_error, meaning_of(score.consumer));
}

/// Programs of which the same is true share a line: of a model that is no Qwen3 it is true of most.
std::string programs_text(const std::vector<ProgramVerdict>& verdicts) {
  std::vector<std::pair<std::string, std::string>> lines;  // words, the programs' names
  for (const ProgramVerdict& verdict : verdicts) {
    auto line = std::ranges::find(lines, verdict.words, &std::pair<std::string, std::string>::first);
    if (line == lines.end()) line = lines.insert(line, {verdict.words, {}});
    line->second.append(line->second.empty() ? "" : "; ").append(verdict.program);
  }
  std::string text = lines.empty() ? "" : "Programs, as they were measured with such files:\n";
  for (const auto& [words, names] : lines)
    text.append("  ").append(names).append(": ").append(words).append("\n");
  return text;
}

}  // namespace

ReadingError SnapReport::error_of(Consumer consumer) const {
  for (const ConsumerScore& score : scores) {
    if (score.consumer == consumer) return {score.weight_error, score.kl};
  }
  return {std::numeric_limits<double>::quiet_NaN(), std::nullopt};
}

std::int64_t SnapReport::scale_entries() const {
  std::int64_t sum = 0;
  for (const LayerFinding& layer : layers) sum += layer.facts.entries;
  return sum;
}

std::int64_t SnapReport::negative_scales() const {
  std::int64_t sum = 0;
  for (const LayerFinding& layer : layers) sum += layer.facts.negative;
  return sum;
}

double SnapReport::largest_factor() const {
  double largest = 0;
  for (const LayerFinding& layer : layers) largest = std::max(largest, layer.facts.largest);
  return largest;
}

double SnapReport::gate_difference() const {
  for (const ConsumerScore& score : scores) {
    if (score.consumer != gate) continue;
    return score.kd_loss
               ? std::abs(*score.kd_loss - trained_kd_loss.value_or(std::numeric_limits<double>::quiet_NaN()))
               : score.weight_error;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

std::optional<double> SnapReport::gate_kl() const {
  for (const ConsumerScore& score : scores) {
    if (score.consumer == gate) return score.kl;
  }
  return std::nullopt;
}

std::string report_text(const SnapReport& r, bool with_layers) {
  std::string text;
  if (with_layers) {
    text += strf("  %-44s %10s %9s %10s %12s\n", "linear", "values", "S < 0", "largest", "weight error");
    for (const LayerFinding& layer : r.layers) {
      text +=
          strf("  %-44s %10lld %8.2f%% %10.4g %12.3e\n", layer.name.c_str(),
               static_cast<long long>(layer.facts.distinct),
               percent(layer.facts.negative, layer.facts.entries), layer.facts.largest, layer.weight_error);
    }
  }
  const std::string where = r.file.empty() ? "nowhere: without --output it is verified and tested only"
                                           : "to " + r.file + " (" + format_bytes(r.file_bytes) + ")";
  text += strf("Snapped %zu linears (%s layout, %s) %s\n", r.layers.size(), r.layout.c_str(),
               r.half ? "fp16" : "fp32", where.c_str());
  text += strf("  packed, the linears take %.3f bits a weight; scales on an 8-bit grid in %lld of %zu\n",
               r.bits_per_weight, static_cast<long long>(r.grid_layers), r.layers.size());
  if (r.positive) text += positive_text(*r.positive);
  if (r.grid) text += grid_text(*r.grid);
  if (r.half) {
    text += strf("  half casts: %lld values, %lld saturated, %lld flushed to zero\n",
                 static_cast<long long>(r.casts.values), static_cast<long long>(r.casts.saturated),
                 static_cast<long long>(r.casts.flushed));
    for (const std::string& name : r.casts.beyond_half) text += "  beyond fp16: " + name + "\n";
  }
  text += strf(
      "  scales: %.2f%% negative (clamp and weight change these, abs every negative factor), largest factor "
      "%.4g\n",
      percent(r.negative_scales(), r.scale_entries()), r.largest_factor());
  if (r.trained_kd_loss) {
    text += strf("  KD loss over %lld sequences of the file as each consumer reads it (%s decides):\n",
                 static_cast<long long>(r.samples), name_of(r.gate));
    text += strf("  %-10s %12s %13s %10s %13s\n", "consumer", "KD loss", "- trained", "KL", "weight error");
    text += strf("  %-10s %12.6f %13s %10s %13s  fp32, nothing rounded\n", "trained", *r.trained_kd_loss, "",
                 "", "");
  } else {
    text += strf(
        "  No KD loss was measured (no --cache-dir); effective weights against the trained ones (%s "
        "decides):\n",
        name_of(r.gate));
    text += strf("  %-10s %13s\n", "consumer", "weight error");
  }
  for (const ConsumerScore& score : r.scores) text += score_line(r, score);
  text += strf("%s: %s is off by %.3g, allowed %.3g", r.passed ? "verified" : "NOT verified", name_of(r.gate),
               r.gate_difference(), r.tolerance);
  if (const std::optional<double> kl = r.gate_kl()) {
    text += strf("; KL from the trained model %.3g, allowed %.3g\n", *kl, r.kl_tolerance);
  } else {
    text += " (weights only)\n";
  }
  if (r.packed) text += "No ANEMLL program reads a packed file: --format torch writes one that they read.\n";
  text += programs_text(r.programs);
  if (r.answers) text += answers_text(*r.answers);
  return text;
}

std::string report_json(const SnapReport& r) {
  nlohmann::ordered_json json;
  json["checkpoint"] = r.checkpoint;
  json["file"] = r.file;
  json["file_bytes"] = r.file_bytes;
  json["layout"] = r.layout;
  json["fp16"] = r.half;
  json["half_casts"] = {{"values", r.casts.values},
                        {"saturated", r.casts.saturated},
                        {"flushed_to_zero", r.casts.flushed},
                        {"beyond_half", r.casts.beyond_half}};
  json["negative_scale_share"] = percent(r.negative_scales(), r.scale_entries()) / 100.0;
  json["largest_factor"] = number(r.largest_factor());
  json["samples"] = r.samples;
  json["trained_kd_loss"] = r.trained_kd_loss ? number(*r.trained_kd_loss) : nullptr;
  for (const ConsumerScore& score : r.scores) {
    json["consumers"][name_of(score.consumer)] = {
        {"kd_loss", score.kd_loss ? number(*score.kd_loss) : nullptr},
        {"kl_to_trained", score.kl ? number(*score.kl) : nullptr},
        {"weight_error", number(score.weight_error)}};
  }
  const std::optional<double> kl = r.gate_kl();
  json["gate"] = {{"consumer", name_of(r.gate)},
                  {"measure", r.trained_kd_loss ? "kd_loss" : "weight_error"},
                  {"difference", number(r.gate_difference())},
                  {"tolerance", r.tolerance},
                  {"kl_to_trained", kl ? number(*kl) : nullptr},
                  {"kl_tolerance", kl ? number(r.kl_tolerance) : nullptr},
                  {"passed", r.passed}};
  for (const ProgramVerdict& verdict : r.programs) {
    json["programs"][verdict.program] = {{"reading", word_of(verdict.reading)},
                                         {"weight_error", number(verdict.weight_error)},
                                         {"kl_to_trained", number_or_null(verdict.kl)},
                                         {"words", verdict.words}};
  }
  json["format"] = r.packed ? "packed" : "torch";
  json["bits_per_weight"] = number(r.bits_per_weight);
  json["linears_with_8_bit_scales"] = r.grid_layers;
  if (r.grid) {
    json["scale_grid"] = {{"linears", r.grid->layers},
                          {"rows_raised", r.grid->raised},
                          {"weight_error", number(r.grid->weight_error)},
                          {"kl_to_before", number_or_null(r.grid->kl)}};
  }
  if (r.positive) {
    json["positive_scales"] = {{"below", r.positive->below},
                               {"linears", r.positive->layers},
                               {"indices_changed", r.positive->recoded},
                               {"by_outputs", r.positive->by_outputs},
                               {"error", number(r.positive->weight_error)},
                               {"clamped_error", number(r.positive->clamped_error)},
                               {"kl_to_trained", number_or_null(r.positive->kl)}};
  }
  if (r.answers) {
    for (const AnswerPair& pair : r.answers->pairs) {
      json["answers"].push_back({{"prompt", pair.prompt},
                                 {"trained", pair.trained},
                                 {"snapped", pair.snapped},
                                 {"same", !pair.differs.has_value()}});
    }
    json["kl_to_unquantised_on_prompts"] = number(r.answers->divergence);
  }
  for (const LayerFinding& layer : r.layers) {
    json["layers"][layer.name] = {
        {"distinct_values", layer.facts.distinct},    {"negative_scales", layer.facts.negative},
        {"scales_below_1e-6", layer.facts.below},     {"largest_factor", number(layer.facts.largest)},
        {"weight_equals_q", layer.facts.weight_is_q}, {"weight_error", number(layer.weight_error)}};
  }
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace anemll
