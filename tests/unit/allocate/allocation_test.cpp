// Sizes as the packed file has them, groups, and what the reckoning chooses.
#include "src/allocate/allocation.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/quant/layer_type.hpp"
#include "src/quant/packed_layer.hpp"
#include "src/quant/weight_fit.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

std::vector<LinearSpec> linears_of(int layers) {
  std::vector<LinearSpec> linears;
  for (int layer = 0; layer < layers; ++layer) {
    for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                             "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
      const bool mlp = std::string(name).starts_with("mlp");
      linears.push_back({strf("model.layers.%d.%s", layer, name), 40, 21, mlp, false});
    }
  }
  return linears;
}

/// Every linear with the same errors; `down` costs a hundred times as much as the others.
Sensitivities made_up(const std::vector<LinearSpec>& linears, std::int64_t layers) {
  Sensitivities found;
  for (const SensitivityGroup& group : linear_groups(linears, layers))
    found.groups[group.name] = group.name.starts_with("down") ? 0.1 : 0.001;
  for (const LinearSpec& linear : linears)
    found.errors[linear.name] = {{"2/4", 0.12}, {"3/4", 0.03}, {"4/4", 0.01}};
  return found;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(allocation)

BOOST_AUTO_TEST_CASE(groups_are_one_kind_of_neighbouring_layers) {
  const std::vector<SensitivityGroup> groups = linear_groups(linears_of(5), 2);
  BOOST_TEST(groups.size() == 21U);
  BOOST_TEST(groups.front().name == "q 0-1");
  BOOST_TEST(groups.back().name == "down 4-4");
  BOOST_TEST((groups[1].members == std::vector<std::size_t>{14, 21}));
}

BOOST_AUTO_TEST_CASE(sizes_are_those_of_packed_layers) {
  const LinearSpec linear = linears_of(1).front();
  for (const LinearWidth width :
       {LinearWidth{1, 1}, LinearWidth{2, 4}, LinearWidth{3, 2}, LinearWidth{4, 8}}) {
    LinearQuant quant;
    quant.lut_size = std::int64_t{1} << width.bits;
    quant.rank = width.rank;
    quant.group_size = 1;  // of whole groups B would be constant, which lies on a grid
    LayerDraft draft = layer_type("v2").start(at::randn({40, 21}), quant, {});
    const std::unique_ptr<QuantLayer> layer = layer_type("v2").make(linear, quant, std::move(draft.tensors));
    BOOST_TEST(packed_bits(*layer) == static_cast<double>(packed_size(linear, width, 16)));
    std::int64_t raised = 0;
    BOOST_TEST(packed_bits(*layer->on_scale_grid(raised)) ==
               static_cast<double>(packed_size(linear, width, 8)));
  }
}

BOOST_AUTO_TEST_CASE(bits_go_to_what_costs_most) {
  const std::vector<LinearSpec> linears = linears_of(4);
  SensitivityOptions measured;
  measured.widths = {{2, 4}, {3, 4}, {4, 4}};
  measured.layers = 2;
  const Sensitivities found = made_up(linears, measured.layers);
  std::int64_t smallest = 0;
  for (const LinearSpec& linear : linears) smallest += packed_size(linear, {2, 4}, 8);
  AllocationRequest request{linears, measured, 8, smallest};
  const Allocation least = allocate_widths(request, found);
  BOOST_TEST(least.bits == smallest);
  // Room for the widest of the four down projections, and for nothing else.
  request.budget = smallest + 4 * (packed_size(linears[0], {4, 4}, 8) - packed_size(linears[0], {2, 4}, 8));
  const Allocation chosen = allocate_widths(request, found);
  for (std::size_t i = 0; i < linears.size(); ++i) {
    const bool down = linears[i].name.ends_with("down_proj");
    BOOST_TEST(chosen.widths[i].bits == (down ? 4 : 2), linears[i].name);
  }
  BOOST_TEST(chosen.predicted < least.predicted);
  // Two groups of down: each loses what it was measured at, times 0.01 / 0.03; the twelve others times 4.
  BOOST_TEST(chosen.predicted == 2 * 0.1 / 3 + 12 * 0.001 * 4, boost::test_tools::tolerance(1e-12));
  request.budget = smallest - 1;
  BOOST_CHECK_THROW(allocate_widths(request, found), Error);
}

// What an alternating fit on the weights of SmolLM2's MLP gave: 2 bits rank 4 0.115, 3 bits rank 4 0.032, 4
// bits rank 2 0.010, all with fitted tables. Normal weights are no easier and no harder by more than a third.
BOOST_AUTO_TEST_CASE(fits_come_as_near_as_such_layers_do) {
  const at::Tensor weight = at::randn({96, 128});
  const auto error = [&](std::int64_t lut, std::int64_t rank) {
    return fit_weight(weight, {}, lut, rank).error;
  };
  const double two = error(4, 4), three = error(8, 4), four = error(16, 2);
  BOOST_TEST((two > 0.07 && two < 0.15), two);
  BOOST_TEST((three > 0.02 && three < 0.045), three);
  BOOST_TEST((four > 0.006 && four < 0.016), four);
  BOOST_TEST(error(2, 2) > 2 * two);
  BOOST_TEST(error(4, 16) < two);
  const WeightFit fit = fit_weight(weight, {}, 8, 4);
  const double off =
      fit.weight.sub(weight).square().sum().item<double>() / weight.square().sum().item<double>();
  BOOST_TEST(off == fit.error, boost::test_tools::tolerance(1e-5));
}

BOOST_AUTO_TEST_CASE(columns_that_count_more_are_fitted_better) {
  const at::Tensor weight = at::randn({64, 64});
  at::Tensor counts = at::ones({64});
  counts.narrow(0, 0, 8).fill_(50);
  const auto share = [&](const at::Tensor& made) {
    return made.sub(weight).narrow(1, 0, 8).square().sum().item<double>();
  };
  BOOST_TEST(share(fit_weight(weight, counts, 4, 4).weight) < share(fit_weight(weight, {}, 4, 4).weight));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
