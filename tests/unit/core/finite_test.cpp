// Which bit patterns count as numbers, in every type and at every place of a block.
#include "src/core/finite.hpp"

#include "anemll/core/error.hpp"

#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace {

using namespace anemll;

constexpr std::int64_t kValues = (1 << 14) + 3;  // more than one block

template <typename Bits>
bool finite_with(DType dtype, Bits bits, std::int64_t place) {
  HostTensor t = HostTensor::zeros(dtype, {kValues});
  std::memcpy(t.mutable_bytes() + static_cast<std::size_t>(place) * sizeof bits, &bits, sizeof bits);
  return all_finite(t);
}

std::vector<std::uint16_t> halves(const std::vector<int>& bits) {
  std::vector<std::uint16_t> narrow;
  narrow.reserve(bits.size());
  for (const int value : bits) narrow.push_back(static_cast<std::uint16_t>(value));
  return narrow;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(core_finite)

BOOST_AUTO_TEST_CASE(every_type_by_its_own_exponent) {
  for (const std::int64_t place : {std::int64_t{0}, std::int64_t{9000}, kValues - 1}) {
    for (const std::uint32_t bad : {0x7f800000u, 0xff800000u, 0x7fc00000u, 0x7f800001u})
      BOOST_TEST(!finite_with(DType::f32, bad, place));
    for (const auto bad : halves({0x7c00, 0xfc00, 0x7e00, 0x7c01}))
      BOOST_TEST(!finite_with(DType::f16, bad, place));
    for (const auto bad : halves({0x7f80, 0xff80, 0x7fc0, 0x7f81}))
      BOOST_TEST(!finite_with(DType::bf16, bad, place));
    for (const double bad : {std::numeric_limits<double>::quiet_NaN(), 1e300, -1e39})
      BOOST_TEST(!finite_with(DType::f64, bad, place));
    BOOST_TEST(finite_with(DType::f32, std::uint32_t{0xff7fffff}, place));  // the largest
    BOOST_TEST(finite_with(DType::f16, std::uint16_t{0x7bff}, place));
    BOOST_TEST(finite_with(DType::bf16, std::uint16_t{0x7f7f}, place));
    BOOST_TEST(finite_with(DType::f64, 3.4e38, place));
    BOOST_TEST(finite_with(DType::i32, std::uint32_t{0x7f800000}, place));
  }
}

BOOST_AUTO_TEST_CASE(refusals_name_tensor_and_file) {
  HostTensor t = HostTensor::zeros(DType::f32, {2});
  BOOST_CHECK_NO_THROW(require_finite(t, "w", "c.pt", "take another"));
  const float bad = std::numeric_limits<float>::infinity();
  std::memcpy(t.mutable_bytes() + 4, &bad, sizeof bad);
  BOOST_CHECK_EXCEPTION(require_finite(t, "w", "c.pt", "take another"), Error, [](const Error& e) {
    return e.code() == ExitCode::data && e.problem().starts_with("w holds") && e.where() == "c.pt" &&
           e.hint() == "take another";
  });
}

BOOST_AUTO_TEST_SUITE_END()
