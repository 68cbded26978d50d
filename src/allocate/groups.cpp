#include "src/allocate/groups.hpp"

#include "anemll/core/log.hpp"
#include "anemll/model/family.hpp"

#include <algorithm>

namespace anemll {
namespace {

/// "down" of "model.layers.0.mlp.down_proj"
std::string kind_of(const std::string& linear) {
  const std::string module = linear.substr(linear.rfind('.') + 1);
  return module.substr(0, module.find('_'));
}

}  // namespace

std::vector<SensitivityGroup> linear_groups(std::span<const LinearSpec> linears, std::int64_t layers) {
  std::vector<SensitivityGroup> groups;
  const std::size_t count = linears.size() / kLayerLinears;
  const auto step = static_cast<std::size_t>(layers);
  for (std::size_t kind = 0; kind < kLayerLinears; ++kind) {
    for (std::size_t first = 0; first < count; first += step) {
      const std::size_t last = std::min(first + step, count) - 1;
      SensitivityGroup group{strf("%s %zu-%zu", kind_of(linears[kind].name).c_str(), first, last), {}};
      for (std::size_t layer = first; layer <= last; ++layer)
        group.members.push_back(layer * kLayerLinears + kind);
      groups.push_back(std::move(group));
    }
  }
  return groups;
}

std::string name_of(const LinearWidth& width) {
  return strf("%lld/%lld", static_cast<long long>(width.bits), static_cast<long long>(width.rank));
}

std::int64_t packed_size(const LinearSpec& linear, const LinearWidth& width, std::int64_t scale_bits) {
  const std::int64_t codes = linear.out * ((linear.in * width.bits + 7) / 8) * 8;
  const std::int64_t table = (std::int64_t{1} << width.bits) * 16;
  const std::int64_t steps = scale_bits == 8 ? 2 * width.rank * 16 : 0;
  return codes + table + (linear.out + linear.in) * width.rank * scale_bits + steps;
}

}  // namespace anemll
