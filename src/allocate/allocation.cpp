#include "src/allocate/allocation.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/allocate/internal/knapsack.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

/// Nats that a linear loses for each unit of its relative error, by linear.
std::vector<double> nats_per_error(const AllocationRequest& request, const Sensitivities& found) {
  std::vector<double> nats(request.linears.size(), 0.0);
  for (const SensitivityGroup& group : linear_groups(request.linears, request.measured.layers)) {
    double errors = 0;
    for (const std::size_t i : group.members)
      errors += found.errors.at(request.linears[i].name).at(name_of(request.measured.probe));
    for (const std::size_t i : group.members) nats[i] = errors > 0 ? found.groups.at(group.name) / errors : 0;
  }
  return nats;
}

}  // namespace

Allocation judge_widths(const AllocationRequest& request, const Sensitivities& found,
                        std::vector<LinearWidth> widths) {
  const std::vector<double> nats = nats_per_error(request, found);
  Allocation judged;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    judged.bits += packed_size(request.linears[i], widths[i], request.scale_bits);
    judged.predicted += nats[i] * found.errors.at(request.linears[i].name).at(name_of(widths[i]));
  }
  judged.widths = std::move(widths);
  return judged;
}

Allocation allocate_widths(const AllocationRequest& request, const Sensitivities& found) {
  const std::vector<double> nats = nats_per_error(request, found);
  const std::vector<LinearWidth>& menu = request.measured.widths;
  std::vector<std::vector<Offer>> items(request.linears.size());
  std::int64_t least = 0, weights = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const LinearSpec& linear = request.linears[i];
    const auto& errors = found.errors.at(linear.name);
    for (const LinearWidth& width : menu)
      items[i].push_back(
          {packed_size(linear, width, request.scale_bits), nats[i] * errors.at(name_of(width))});
    std::int64_t cheapest = items[i].front().cost;
    for (const Offer& choice : items[i]) cheapest = std::min(cheapest, choice.cost);
    least += cheapest;
    weights += linear.out * linear.in;
  }
  const std::optional<std::vector<std::size_t>> chosen = choose_within(items, request.budget);
  if (!chosen)
    throw_usage(strf("the smallest widths take %.3f bits a weight, more than the target leaves",
                     static_cast<double>(least) / static_cast<double>(weights)),
                "--bits-target, --size-target",
                "give a larger target, or smaller widths by --bits and --ranks");
  std::vector<LinearWidth> widths;
  for (const std::size_t k : *chosen) widths.push_back(menu[k]);
  return judge_widths(request, found, std::move(widths));
}

QuantSpec spec_of(std::span<const LinearSpec> linears, std::span<const LinearWidth> widths,
                  std::int64_t group_size) {
  QuantSpec spec(linears, {}, group_size);
  for (std::size_t i = 0; i < widths.size(); ++i) {
    spec.entries()[i].quant.lut_size = std::int64_t{1} << widths[i].bits;
    spec.entries()[i].quant.rank = widths[i].rank;
  }
  return spec;
}

std::string allocation_json(const AllocationRequest& request, const Allocation& chosen) {
  nlohmann::ordered_json object;
  std::int64_t weights = 0;
  nlohmann::ordered_json layers = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < request.linears.size(); ++i) {
    weights += request.linears[i].out * request.linears[i].in;
    layers[request.linears[i].name] = {{"lut_bits", chosen.widths[i].bits},
                                       {"scale_rank", chosen.widths[i].rank}};
  }
  object["bits_per_weight"] = static_cast<double>(chosen.bits) / static_cast<double>(weights);
  object["scale_bits"] = request.scale_bits;
  object["predicted_kl"] = chosen.predicted;
  object["layer_overrides"] = std::move(layers);
  return object.dump(1) + "\n";
}

}  // namespace anemll
