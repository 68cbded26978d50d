// Health and differences of tensors that are made by hand, against counts that follow from how they are made.
#include "anemll/core/half.hpp"
#include "src/inspect/checkpoint_check.hpp"
#include "src/inspect/checkpoint_diff.hpp"
#include "src/model/torch_bridge.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

HostTensor floats(const std::vector<float>& values) {
  return as_host(at::tensor(values, at::kFloat));
}
HostTensor longs(const std::vector<std::int64_t>& values) {
  return as_host(at::tensor(values, at::kLong));
}

const TensorCheck& of(const CheckpointCheck& check, const std::string& name) {
  const auto found = std::find_if(check.tensors.begin(), check.tensors.end(),
                                  [&name](const TensorCheck& t) { return t.name == name; });
  BOOST_REQUIRE(found != check.tensors.end());
  return *found;
}

const TensorDifference& of(const CheckpointDiff& diff, const std::string& name) {
  const auto found = std::find_if(diff.differing.begin(), diff.differing.end(),
                                  [&name](const TensorDifference& d) { return d.name == name; });
  BOOST_REQUIRE(found != diff.differing.end());
  return *found;
}

TensorMap layer(const std::string& name, HostTensor q, HostTensor indices) {
  TensorMap file;
  file.set(name + ".lut", floats({-1, -0.5, 0.5, 1}));
  file.set(name + "._Q", std::move(q));
  file.set(name + "._indices", std::move(indices));
  return file;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(inspect_files)

BOOST_AUTO_TEST_CASE(values_that_are_no_numbers_or_too_large_are_counted) {
  TensorMap file;
  file.set("a.scale_A", floats({1, kNan, -3, kInf, -kInf}));
  file.set("a.scale_B", floats({65000, -65001, 70000}));
  file.set("a.rank_magnitude", floats({0.5, -64000}));
  file.set("a._indices", longs({70000}));  // no float: FP16 never holds it
  file.set("norm.weight", floats({2}));
  const CheckpointCheck check = check_tensors(file);
  BOOST_TEST(check.not_finite() == 1);
  BOOST_TEST(check.at_risk() == 1);
  BOOST_TEST(of(check, "a.scale_A").nan == 1);
  BOOST_TEST(of(check, "a.scale_A").infinite == 2);
  BOOST_TEST(of(check, "a.scale_A").largest == 3.0);
  BOOST_TEST(of(check, "a.scale_B").at_risk == 2);
  BOOST_TEST(of(check, "a.scale_B").dtype == "float32[3]");
  BOOST_TEST(of(check, "a.rank_magnitude").largest == 64000.0);
  BOOST_TEST(of(check, "a._indices").at_risk == 0);
  BOOST_TEST(check.lookups.empty());  // there is no table
  const std::vector<std::string> parts{"scale", "magnitude", "index", "other"};
  BOOST_TEST(check.parts() == parts, boost::test_tools::per_element());
  const std::vector<TensorCheck> largest = check.largest("scale", 1);
  BOOST_REQUIRE_EQUAL(largest.size(), 1u);
  BOOST_TEST(largest.front().name == "a.scale_B");
  BOOST_TEST(check.largest("scale", 0).size() == 2u);
}

BOOST_AUTO_TEST_CASE(large_tensors_are_read_to_their_end) {
  const std::int64_t n = (std::int64_t{1} << 20) + 3;  // more than one piece
  at::Tensor values = at::zeros({n}, at::kFloat);
  values[0] = -2;
  values[n - 1] = kNan;
  at::Tensor other = values.clone();
  other[n - 2] = 4;
  TensorMap a, b;
  a.set("x", as_host(values));
  b.set("x", as_host(other));
  const CheckpointCheck check = check_tensors(a);
  BOOST_TEST(of(check, "x").nan == 1);
  BOOST_TEST(of(check, "x").largest == 2.0);
  const CheckpointDiff diff = diff_tensors(a, b);
  BOOST_TEST(of(diff, "x").changed == 1);
  BOOST_TEST(of(diff, "x").largest == 4.0);
}

BOOST_AUTO_TEST_CASE(q_is_held_against_the_table) {
  const auto difference = [](HostTensor q, HostTensor indices) {
    const CheckpointCheck check = check_tensors(layer("l", std::move(q), std::move(indices)));
    BOOST_REQUIRE_EQUAL(check.lookups.size(), 1u);
    BOOST_TEST(check.lookups[0].layer == "l");
    return check.lookups[0];
  };
  BOOST_TEST(difference(floats({-1, 0.5, 1}), longs({0, 2, 3})).largest_difference == 0.0);
  const LookupCheck near = difference(floats({-1, 0.5009765625F}), longs({0, 2}));
  BOOST_TEST(near.agrees());
  BOOST_TEST(near.largest_difference == 0.0009765625);
  BOOST_TEST(!difference(floats({-1, 0.502F}), longs({0, 2})).agrees());
  BOOST_TEST(std::isinf(difference(floats({-1, 1}), longs({0, 4})).largest_difference));
  BOOST_TEST(std::isinf(difference(floats({-1, 1}), longs({-1, 3})).largest_difference));
  BOOST_TEST(std::isinf(difference(floats({-1, 1, 1}), longs({0, 3})).largest_difference));
  BOOST_TEST(!difference(floats({-1, kNan}), longs({0, 3})).agrees());
}

BOOST_AUTO_TEST_CASE(tables_of_logits_are_made_again) {
  // Equal logits: eight equal steps of max / 8.
  const at::Tensor lut = lut_of_logits(at::zeros({8}, at::kFloat), 1.0);
  BOOST_REQUIRE_EQUAL(lut.numel(), 16);
  for (std::int64_t i = 0; i < 8; ++i) {
    const float expected = static_cast<float>(i + 1) / 8;
    BOOST_TEST(lut[8 + i].item<float>() == half_to_float(float_to_half(expected)));
    BOOST_TEST(lut[7 - i].item<float>() == -half_to_float(float_to_half(expected)));
  }
  // One logit takes nearly all: the other steps are the smallest, 2 * 2^-10 for a largest magnitude of 1.
  const at::Tensor steep = lut_of_logits(at::tensor(std::vector<float>{0, 0, 0, 0, 0, 0, 0, 50}), 1.0);
  BOOST_CHECK_CLOSE_FRACTION(steep[8].item<double>(), 0.001953125, 1e-3);
  BOOST_CHECK_CLOSE_FRACTION(steep[14].item<double>(), 7 * 0.001953125, 1e-3);
  BOOST_TEST(steep[15].item<double>() == 1.0);

  TensorMap file;
  file.set("l.lut", as_host(lut));
  file.set("l._lut_raw_deltas", floats({0, 0, 0, 0, 0, 0, 0, 0}));
  const CheckpointCheck same = check_tensors(file);
  BOOST_REQUIRE_EQUAL(same.logits.size(), 1u);
  BOOST_TEST(same.logits[0].largest_difference == 0.0);
  BOOST_TEST(same.logits[0].ascending);
  BOOST_TEST(same.logits[0].without_zero);
  file.set("l._lut_raw_deltas", floats({0, 0, 0, 0, 0, 0, 0, 50}));
  const CheckpointCheck other = check_tensors(file);
  BOOST_CHECK_CLOSE_FRACTION(other.logits[0].largest_difference, 0.875 - 7 * 0.001953125, 1e-3);
}

BOOST_AUTO_TEST_CASE(names_types_shapes_and_values_differ) {
  TensorMap a = layer("l", floats({-1, 0.5, 1}), longs({0, 2, 3}));
  a.set("gone", floats({1}));
  a.set("shape", floats({1, 2}));
  a.set("type", floats({1, 2}));
  a.set("nan", floats({kNan, 1, kInf, 2}));
  a.set("equal", floats({0, kNan}));
  TensorMap b = layer("l", floats({-1, -0.5, 1}), longs({0, 1, 3}));
  b.set("new", floats({1}));
  b.set("shape", floats({1, 2, 3}));
  b.set("type", as_host(at::tensor(std::vector<float>{1, 2}, at::kFloat).to(at::kHalf)));
  b.set("nan", floats({kNan, kNan, kInf, 2.5}));
  b.set("equal", floats({-0.0F, kNan}));
  const CheckpointDiff diff = diff_tensors(a, b);
  BOOST_TEST(diff.only_first == std::vector<std::string>{"gone"}, boost::test_tools::per_element());
  BOOST_TEST(diff.only_second == std::vector<std::string>{"new"}, boost::test_tools::per_element());
  BOOST_TEST(diff.common == 7);
  BOOST_TEST(diff.differing.size() == 5u);  // all but the table and the equal one
  BOOST_TEST(diff.differing[0].name == "shape");
  BOOST_TEST(diff.differing[1].name == "nan");
  BOOST_TEST(!of(diff, "shape").same_shape);
  BOOST_TEST(of(diff, "type").changed == 0);
  BOOST_TEST(of(diff, "type").second == "float16[2]");
  BOOST_TEST(of(diff, "nan").changed == 2);
  BOOST_TEST(of(diff, "nan").not_finite == 1);
  BOOST_TEST(of(diff, "nan").largest == 0.5);
  BOOST_TEST(of(diff, "l._Q").largest == 1.0);
  BOOST_CHECK_CLOSE_FRACTION(of(diff, "l._Q").mean(), 1.0 / 3, 1e-12);
  BOOST_TEST(diff.indices == 3);
  BOOST_TEST(diff.changed_indices == 1);
  BOOST_TEST(diff.changed_index_layers == 1);
  BOOST_TEST(!diff.same());
  BOOST_TEST(diff_tensors(a, a).same());
}

BOOST_AUTO_TEST_SUITE_END()
