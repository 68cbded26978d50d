// The figures of one linear on a layer whose numbers follow by hand, and how figures are told.
#include "src/inspect/layer_statistics.hpp"

#include "src/quant/layer_type.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;

namespace {

// The layer computes in fp32, and adds 1e-6 to a magnitude of 15.
constexpr double kExact = 1e-5;

at::Tensor floats(const std::vector<float>& values, at::IntArrayRef shape) {
  return at::tensor(values, at::kFloat).view(shape);
}

/// Columns of A have norm 5, rows of B norm 3: with g = 15, S = (3, 4)^T (2, -1, 2).
std::unique_ptr<QuantLayer> small_layer(const std::vector<float>& a = {3, 4},
                                        const std::vector<float>& b = {2, -1, 2}) {
  LinearQuant quant;
  quant.lut_size = 4;
  quant.rank = 1;
  const at::Tensor indices =
      at::tensor(std::vector<std::int64_t>{0, 1, 1, 3, 3, 0}, at::kLong).view({2, 3}).to(at::kByte);
  LayerTensors tensors{{".scale_A", floats(a, {2, 1})},
                       {".scale_B", floats(b, {1, 3})},
                       {".rank_magnitude", floats({15}, {1})},
                       {".lut", floats({-1, -0.25, 0.25, 1}, {4})},
                       {"._indices", indices}};
  return layer_type("v2").make({"small", 2, 3, false, false}, quant, std::move(tensors));
}

/// S = [[6, -3, 6], [8, -4, 8]], Q = [[-1, -.25, -.25], [1, 1, -1]]: W' = [[-6, .75, -1.5], [8, -4, -8]].
at::Tensor small_weight() {
  return floats({-5, 1, -1.5, 8, -4, -6}, {2, 3});  // W' - W = -1, -.25, 0, 0, 0, -2
}

at::Tensor& slot_of(QuantLayer& layer, const std::string& suffix) {
  for (const LayerTensor& tensor : layer.tensor_table()) {
    if (tensor.row.suffix == suffix) return *tensor.slot;
  }
  throw std::logic_error("no such row");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(inspect_layer_statistics)

BOOST_AUTO_TEST_CASE(figures_of_a_small_layer) {
  const auto layer = small_layer();
  const LayerStatistics found = layer_statistics(*layer, small_weight(), 1);
  BOOST_CHECK_CLOSE_FRACTION(found.weight.mean_absolute(), 3.25 / 6, kExact);
  BOOST_CHECK_CLOSE_FRACTION(found.weight.root_mean_square(), std::sqrt(5.0625 / 6), kExact);
  BOOST_CHECK_CLOSE_FRACTION(found.weight.relative(), std::sqrt(5.0625 / 144.25), kExact);
  BOOST_TEST(found.histogram == (std::vector<std::int64_t>{2, 2, 0, 2}), boost::test_tools::per_element());
  BOOST_TEST(found.entries_used() == 3);
  BOOST_CHECK_CLOSE_FRACTION(found.negative_scales.value(), 2.0 / 6, 1e-12);
  BOOST_TEST(found.half.largest == 15.0);
  BOOST_TEST(found.half.beyond == 0);
  BOOST_TEST(found.half.flushed == 0);
  BOOST_CHECK_CLOSE_FRACTION(found.a.value.value(), 5.0, kExact);
  BOOST_CHECK_CLOSE_FRACTION(found.b.value.value(), 3.0, kExact);
  BOOST_CHECK_CLOSE_FRACTION(found.g.value.value(), 15.0, kExact);
  BOOST_TEST(!found.a.gradient.has_value());
  BOOST_TEST(!found.output.has_value());
}

BOOST_AUTO_TEST_CASE(gradients_are_scaled) {
  const auto layer = small_layer();
  at::Tensor& a = slot_of(*layer, ".scale_A");
  a.set_requires_grad(true);
  a.mutable_grad() = floats({6, 8}, {2, 1});
  const LayerStatistics found = layer_statistics(*layer, small_weight(), 0.25);
  BOOST_CHECK_CLOSE_FRACTION(found.a.gradient.value(), 2.5, kExact);
  BOOST_TEST(!found.b.gradient.has_value());
}

BOOST_AUTO_TEST_CASE(values_that_half_cannot_hold_are_counted) {
  // 65519 rounds to 65504; 65520 would be infinite. 2^-25 and below become zero.
  const auto layer = small_layer({65519, -70000}, {1e-9F, 0, -3e-8F});
  const LayerStatistics found = layer_statistics(*layer, small_weight(), 1);
  BOOST_TEST(found.half.beyond == 1);
  BOOST_TEST(found.half.flushed == 1);
  BOOST_TEST(found.half.largest == 70000.0);
}

BOOST_AUTO_TEST_CASE(error_sums_add_up_and_leave_rows_out) {
  const at::Tensor wanted = floats({1, 2, 3, 4, 5, 6}, {1, 3, 2});
  const at::Tensor value = floats({1, 2, 5, 3, 5, 60}, {1, 3, 2});
  ErrorSums sums;
  sums.add(value, wanted, at::tensor(std::vector<std::int64_t>{0, 1}, at::kLong));
  BOOST_TEST(sums.count == 4);
  BOOST_TEST(sums.mean_absolute() == 3.0 / 4);
  BOOST_TEST(sums.root_mean_square() == std::sqrt(5.0 / 4));
  BOOST_TEST(sums.relative() == std::sqrt(5.0 / 30));
  sums.add(wanted, wanted);
  BOOST_TEST(sums.count == 10);
  BOOST_TEST(sums.relative() == std::sqrt(5.0 / 121));
  BOOST_TEST(value.equal(floats({1, 2, 5, 3, 5, 60}, {1, 3, 2})));

  BOOST_TEST(std::isnan(ErrorSums().relative()));
  BOOST_TEST(std::isnan(ErrorSums().mean_absolute()));
  ErrorSums nothing;
  nothing.add(floats({1, 0}, {1, 2}), floats({0, 0}, {1, 2}));
  BOOST_TEST(std::isinf(nothing.relative()));
}

BOOST_AUTO_TEST_CASE(the_worst_comes_first) {
  const auto with = [](const char* name, double weight, std::optional<double> output) {
    LayerStatistics layer;
    layer.name = name;
    layer.weight = {0, weight * weight, 1, 1};
    if (output) layer.output = ErrorSums{0, *output * *output, 1, 1};
    return layer;
  };
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  std::vector<LayerStatistics> layers{with("a", 0.9, 0.1), with("b", 0.1, 0.3), with("c", 0.2, kNan),
                                      with("d", 0.2, std::nullopt)};
  sort_worst_first(layers);
  std::string order;
  for (const LayerStatistics& layer : layers) order += layer.name;
  BOOST_TEST(order == "cbda");
}

BOOST_AUTO_TEST_CASE(figures_are_told) {
  BOOST_TEST(figure_text(Figure(), Shown::number) == "-");
  BOOST_TEST(figure_text(Figure(0.123456), Shown::number) == "0.1235");
  BOOST_TEST(figure_text(Figure(0.123456), Shown::percent) == "12.35%");
  BOOST_TEST(figure_text(Figure(std::int64_t{12}), Shown::number) == "12");
  BOOST_TEST(figure_text(Figure(true), Shown::text) == "yes");
  BOOST_TEST(figure_text(Figure(std::string("a\x1b") + "b"), Shown::text) == "a\\x1Bb");
  // Rounded up, so that one weight shows.
  BOOST_TEST(figure_text(Figure(std::vector<std::int64_t>{1, 0, 900, 450, 100}), Shown::bars) == "1.951");
  BOOST_TEST(figure_json(Figure()) == "null");
  BOOST_TEST(figure_json(Figure(std::numeric_limits<double>::infinity())) == "null");
  BOOST_TEST(figure_json(Figure(0.5)) == "0.5");
  BOOST_TEST(figure_json(Figure(std::string("a\"b"))) == "\"a\\\"b\"");
  BOOST_TEST(figure_json(Figure(std::vector<std::int64_t>{1, 2})) == "[1,2]");
  BOOST_TEST(figure_json(Figure(std::vector<std::int64_t>{})) == "[]");
}

BOOST_AUTO_TEST_CASE(json_has_every_column) {
  const auto layer = small_layer();
  const std::vector<LayerStatistics> layers{layer_statistics(*layer, small_weight(), 1)};
  const auto rows = nlohmann::json::parse(rows_json(layer_columns(), layers));
  BOOST_REQUIRE_EQUAL(rows.size(), 1u);
  BOOST_TEST(rows[0].size() == layer_columns().size());
  for (const auto& column : layer_columns()) BOOST_TEST(rows[0].contains(std::string(column.name)));
  BOOST_TEST(rows[0]["layer"] == "small");
  BOOST_TEST(rows[0]["entries_used"] == 3);
  BOOST_TEST(rows[0]["output_error"].is_null());
  BOOST_CHECK_CLOSE_FRACTION(rows[0]["half_range"].get<double>(), 15.0 / 65504, 1e-7);
  BOOST_TEST(rows_json(layer_columns(), std::vector<LayerStatistics>{}) == "[]");
}

BOOST_AUTO_TEST_SUITE_END()
