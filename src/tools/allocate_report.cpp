#include "src/tools/allocate_report.hpp"

#include "anemll/core/log.hpp"
#include "anemll/quant/presets.hpp"
#include "src/export/programs.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace anemll {
namespace {

double weights_of(std::span<const LinearSpec> linears) {
  double weights = 0;
  for (const LinearSpec& linear : linears)
    weights += static_cast<double>(linear.out) * static_cast<double>(linear.in);
  return weights;
}

/// A line for each kind: its share of the loss at the probe's width, and how many linears got which width.
std::string kinds_text(const AllocationRequest& request, const Sensitivities& found,
                       const Allocation& chosen) {
  double all = 0;
  for (const auto& [name, kl] : found.groups) all += kl;
  std::vector<std::string> order;
  std::map<std::string, double> losses;
  std::map<std::string, std::map<std::string, int>> widths;
  for (const SensitivityGroup& group : linear_groups(request.linears, request.measured.layers)) {
    const std::string kind = group.name.substr(0, group.name.find(' '));
    if (!losses.contains(kind)) order.push_back(kind);
    losses[kind] += found.groups.at(group.name);
    for (const std::size_t i : group.members) ++widths[kind][name_of(chosen.widths[i])];
  }
  std::string text = strf("  %-5s %8s  %s\n", "kind", "loss", "linears with bits/rank");
  for (const std::string& kind : order) {
    std::string line;
    for (const auto& [width, count] : widths[kind])
      line += strf("%s%d x %s", line.empty() ? "" : ", ", count, width.c_str());
    text +=
        strf("  %-5s %7.1f%%  %s\n", kind.c_str(), all > 0 ? 100 * losses[kind] / all : 0.0, line.c_str());
  }
  return text;
}

/// What the same reckoning says of a preset; nothing where its widths were not measured.
std::optional<Allocation> judged_preset(const AllocationRequest& request, const Sensitivities& found,
                                        std::string_view preset) {
  const QuantScheme scheme = preset_scheme(preset);
  std::vector<LinearWidth> widths;
  for (const LinearSpec& linear : request.linears) {
    const LinearNumbers numbers = scheme.of(linear.name, linear.mlp);
    widths.push_back({bits_of(numbers.lut), numbers.rank});
    if (!found.errors.at(linear.name).contains(name_of(widths.back()))) return std::nullopt;
  }
  return judge_widths(request, found, std::move(widths));
}

}  // namespace

std::string allocation_text(const Architecture& architecture, const AllocationRequest& request,
                            const Sensitivities& found, const Allocation& chosen, double other_bits) {
  const double weights = weights_of(request.linears);
  const auto line = [&](std::string_view name, const Allocation& one) {
    return strf("  %-10s %6.3f bits a weight, %8.2f MiB in all, KL %.3g by the sum of its linears' shares\n",
                std::string(name).c_str(), static_cast<double>(one.bits) / weights,
                (static_cast<double>(one.bits) + other_bits) / 8 / (1 << 20), one.predicted);
  };
  std::string text =
      strf("Bits where they count, scales of %lld bits:\n", static_cast<long long>(request.scale_bits));
  text += line("chosen", chosen);
  for (const std::string_view preset : {"q2a4", "balanced", "balanced3"}) {
    if (const std::optional<Allocation> one = judged_preset(request, found, preset))
      text += line(preset, *one);
  }
  text += kinds_text(request, found, chosen);
  return text + mix_text(program_facts(architecture, spec_of(request.linears, chosen.widths, 32), false));
}

}  // namespace anemll
