// Rounding, saturation and refusal of the half casts.
#include "src/quant/half_cast.hpp"

#include "anemll/core/error.hpp"
#include "src/model/torch_bridge.hpp"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ops/empty.h>
#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

at::Tensor tensor_of(const std::vector<float>& values) {
  at::Tensor t = at::empty({static_cast<std::int64_t>(values.size())}, at::kFloat);
  std::copy(values.begin(), values.end(), t.data_ptr<float>());
  return t;
}

std::vector<float> values_of(const at::Tensor& t) {
  const at::Tensor wide = t.to(at::kFloat);
  return {wide.const_data_ptr<float>(), wide.const_data_ptr<float>() + wide.numel()};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(HalfCast)

BOOST_AUTO_TEST_CASE(rounds_to_the_nearest_even_half) {
  CastCounts counts;
  // 2049 lies between 2048 and 2050, 2051 between 2050 and 2052.
  const auto half =
      values_of(cast_to_half(tensor_of({1.0001F, 2049.0F, 2051.0F, 3e-8F, -0.0F}), "t", counts));
  const std::vector<float> expected{1.0F, 2048.0F, 2052.0F, 5.9604645e-8F, 0.0F};
  BOOST_TEST(half == expected, boost::test_tools::per_element());
  BOOST_TEST(counts.values == 5);
  BOOST_TEST(counts.saturated == 0);
  BOOST_TEST(counts.flushed == 0);
}

BOOST_AUTO_TEST_CASE(saturates_and_counts_over_calls) {
  CastCounts counts;
  const auto half = values_of(cast_to_half(tensor_of({7e4F, -1e6F, 65504.0F}), "t", counts));
  const std::vector<float> expected{65504.0F, -65504.0F, 65504.0F};
  BOOST_TEST(half == expected, boost::test_tools::per_element());
  cast_to_half(tensor_of({1e9F}), "t", counts);
  BOOST_TEST(counts.saturated == 3);
  BOOST_TEST(counts.beyond_half == (std::vector<std::string>{"t", "t"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(notes_what_readers_cannot_hold) {
  for (const auto& [value, beyond] : {std::pair{65504.0F, false}, std::pair{65519.0F, false},
                                      std::pair{-65520.0F, true}, std::pair{1e30F, true}}) {
    CastCounts counts;
    const LazyTensor entry =
        noted_entry(lazy("model.norm.weight", as_host(tensor_of({1.0F, value}))), counts);
    BOOST_TEST(values_of(as_torch(entry.make())).at(1) == value);
    BOOST_TEST(counts.beyond_half.size() == (beyond ? 1U : 0U));
    BOOST_TEST(counts.saturated == 0);
  }
}

BOOST_AUTO_TEST_CASE(counts_what_becomes_zero) {
  CastCounts counts;
  cast_to_half(tensor_of({1e-9F, -1e-9F, 0.0F, 1.0F}), "t", counts);
  BOOST_TEST(counts.flushed == 2);
}

BOOST_AUTO_TEST_CASE(refuses_what_is_not_finite) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    CastCounts counts;
    BOOST_CHECK_EXCEPTION(cast_to_half(tensor_of({1.0F, bad}), "layer.scale_A", counts), Error,
                          [](const Error& e) {
                            return e.code() == ExitCode::numerics && e.where() == "layer.scale_A" &&
                                   std::string(e.what()).find("1 of 2") != std::string::npos;
                          });
    BOOST_CHECK_THROW(require_finite(tensor_of({bad}), "t"), Error);
  }
  BOOST_CHECK_NO_THROW(require_finite(tensor_of({1.0F}), "t"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
