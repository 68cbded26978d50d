// Products with weights of 16 bits and with packed ones against the plain product in fp64, for few tokens and
// for many; and that a token's result does not depend on its company or on threads.
#include "anemll/core/error.hpp"
#include "src/kernels/narrow_product.hpp"
#include "src/kernels/packed_product.hpp"
#include "src/kernels/parallel.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

using namespace anemll::kernels;
using at::Tensor;

namespace {

// Relative to the largest entry: fp32 sums of up to two thousand terms.
constexpr double kFloatTolerance = 1e-5;
// Relative to the value: half of the last of 11 bits.
constexpr double kHalfStep = 0x1p-11;

void check_close(const Tensor& value, const Tensor& expected, const std::string& what) {
  BOOST_TEST_REQUIRE((value.sizes() == expected.sizes()));
  BOOST_TEST((value.scalar_type() == at::kFloat));
  const double scale = expected.abs().max().item<double>();
  const double error = (value.to(at::kDouble) - expected).abs().max().item<double>();
  BOOST_CHECK_MESSAGE(error <= kFloatTolerance * scale, what << ": error " << error << " of " << scale);
}

Tensor plain(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Tensor y = x.to(at::kDouble).matmul(weight.to(at::kDouble).t());
  return bias.defined() ? y + bias.to(at::kDouble) : y;
}

struct Packed {
  Tensor indices, lut, a, b;
  PackedWeight weight;

  Packed(std::int64_t out, std::int64_t in, std::int64_t rank, std::int64_t entries)
      : indices(at::randint(0, entries, {out, in}, at::kByte)),
        lut(at::randn({entries})),
        a(at::randn({out, rank})),
        b(at::randn({rank, in})),
        weight(pack_weight(indices, lut, a, b)) {}

  /// fp64
  Tensor plain_weight() const {
    const Tensor q = at::index_select(lut, 0, indices.reshape({-1}).to(at::kLong)).view(indices.sizes());
    return q.to(at::kDouble) * a.to(at::kDouble).matmul(b.to(at::kDouble));
  }
};

/// Tokens a row: one, the most that count as few, and many.
const std::vector<std::vector<std::int64_t>> kTokens = {{1, 1}, {3, 1}, {1, 4}, {1, 5}, {2, 70}};

}  // namespace

BOOST_AUTO_TEST_SUITE(compact_products)

BOOST_AUTO_TEST_CASE(packed_weights_multiply_as_the_plain_product) {
  for (const std::int64_t entries : {2, 3, 4, 5, 16}) {
    for (const std::int64_t rank : {1, 2, 3, 4, 5, 6, 7, 8, 9, 32}) {
      for (const std::int64_t in : {7, 64, 100, 576}) {
        const Packed packed(13, in, rank, entries);
        const Tensor x = at::randn({1, in});
        check_close(packed_linear(x, packed.weight, {}), plain(x, packed.plain_weight(), {}),
                    "entries " + std::to_string(entries) + ", rank " + std::to_string(rank) + ", width " +
                        std::to_string(in));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(few_and_many_tokens_agree) {
  for (const auto& tokens : kTokens) {
    const Packed packed(131, 200, 3, 4);
    const Tensor bias = at::randn({131});
    const Tensor x = at::randn({tokens[0], tokens[1], 200});
    check_close(packed_linear(x, packed.weight, bias), plain(x, packed.plain_weight(), bias), "packed");
    for (const at::ScalarType type : {at::kHalf, at::kBFloat16, at::kFloat}) {
      const Tensor given = at::randn({131, 200}).to(type);
      const NarrowWeight weight = narrow_weight(given);
      check_close(narrow_linear(x, weight, bias), plain(x, weight.widened(), bias), at::toString(type));
    }
  }
}

BOOST_AUTO_TEST_CASE(weights_of_16_bits_stay_where_they_are) {
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16}) {
    // Subnormal halves too.
    const Tensor given = at::randn({9, 40}).mul(at::randn({9, 1}).exp().mul(1e-4)).to(type);
    const NarrowWeight weight = narrow_weight(given);
    BOOST_TEST(weight.values.const_data_ptr() == given.const_data_ptr());
    BOOST_TEST(weight.widened().equal(given.to(at::kFloat)));
    BOOST_TEST(weight.bytes() == 9 * 40 * 2);
  }
}

BOOST_AUTO_TEST_CASE(wide_weights_keep_eleven_bits_whatever_their_size) {
  for (const double size : {1e-20, 1e-3, 1.0, 3e5, 1e20}) {
    const Tensor given = at::randn({16, 64}).mul(size);
    const Tensor back = narrow_weight(given).widened();
    const double largest = given.abs().max().item<double>();
    const Tensor allowed = given.abs().mul(kHalfStep).add(largest * 0x1p-28);
    BOOST_TEST((back - given).abs().le(allowed).all().item<bool>(), "size " << size);
  }
  const NarrowWeight zero = narrow_weight(at::zeros({8, 8}));
  BOOST_TEST(narrow_linear(at::ones({1, 8}), zero, {}).equal(at::zeros({1, 8})));
  Tensor bad = at::ones({4, 4});
  bad[2][1] = std::numeric_limits<float>::quiet_NaN();
  BOOST_CHECK_EXCEPTION(narrow_weight(bad), anemll::Error, [](const anemll::Error& e) {
    return e.code() == anemll::ExitCode::numerics && !e.hint().empty();
  });
}

BOOST_AUTO_TEST_CASE(a_token_does_not_depend_on_its_company_or_on_threads) {
  const Packed packed(517, 300, 5, 16);
  const NarrowWeight narrow = narrow_weight(at::randn({517, 300}));
  const Tensor x = at::randn({6, 1, 300});
  set_threads(2, Cores::quiet);
  const Tensor packed_all = packed_linear(x, packed.weight, {});
  const Tensor narrow_all = narrow_linear(x, narrow, {});
  set_threads(1, Cores::quiet);
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    BOOST_TEST(packed_linear(x.narrow(0, i, 1), packed.weight, {}).equal(packed_all.narrow(0, i, 1)));
    BOOST_TEST(narrow_linear(x.narrow(0, i, 1), narrow, {}).equal(narrow_all.narrow(0, i, 1)));
  }
}

BOOST_AUTO_TEST_CASE(what_is_packed_is_small) {
  const Packed two(64, 256, 2, 4);
  const Packed four(64, 256, 2, 16);
  const std::int64_t factors = (64 * 2 + 2 * 256) * 4;
  BOOST_TEST(two.weight.bytes() == 64 * 256 / 4 + factors + 8 * 4);
  BOOST_TEST(four.weight.bytes() == 64 * 256 / 2 + factors + 16 * 4);
  BOOST_TEST(can_pack(16));
  BOOST_TEST(!can_pack(17));
  BOOST_TEST(!can_pack(0));
}

BOOST_AUTO_TEST_SUITE_END()
