// SHA-256 against the examples of FIPS 180-2, and the statistics of the counter-based numbers.
#include "src/core/hash.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/core/rng.hpp"
#include "tests/support/temp_dir.hpp"

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace {

constexpr const char* kOfEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr const char* kOfAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* kOfMillionA = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
constexpr std::uint64_t kDraws = 100000;
// Five standard errors of the mean of kDraws uniform or normal numbers; the draws are fixed, so it never
// flickers.
constexpr double kFiveSigma = 5.0 / 316.2;

}  // namespace

BOOST_AUTO_TEST_SUITE(core_hash)

BOOST_AUTO_TEST_CASE(published_examples) {
  BOOST_TEST(anemll::sha256_hex("") == kOfEmpty);
  BOOST_TEST(anemll::sha256_hex("abc") == kOfAbc);
  anemll::Sha256 parts;  // in pieces that do not divide the block
  const std::string piece(999, 'a');
  for (int i = 0; i < 1001; ++i) parts.update(piece);
  parts.update("a");
  BOOST_TEST(parts.finish_hex() == kOfMillionA);
  parts.update("abc");  // a finished hash begins anew
  BOOST_TEST(parts.finish_hex() == kOfAbc);
}

BOOST_AUTO_TEST_CASE(files_hash_like_their_bytes) {
  const anemll::test::TempDir dir;
  anemll::write_file(dir / "a", std::string(1000000, 'a'));
  BOOST_TEST(anemll::sha256_file(dir / "a") == kOfMillionA);
  const std::string large(3 * (1 << 20) + 17, 'x');  // several read blocks and a rest
  anemll::write_file(dir / "b", large);
  BOOST_TEST(anemll::sha256_file(dir / "b") == anemll::sha256_hex(large));
  anemll::write_file(dir / "empty", "");
  BOOST_TEST(anemll::sha256_file(dir / "empty") == kOfEmpty);
  BOOST_CHECK_THROW(anemll::sha256_file(dir / "none"), anemll::Error);
  BOOST_CHECK_THROW(anemll::sha256_file(dir.path()), anemll::Error);
}

BOOST_AUTO_TEST_CASE(mix64_is_the_splitmix64_finaliser) {
  // splitmix64 from state 0 (Vigna's splitmix64.c): the state after one increment is the golden gamma.
  BOOST_TEST(anemll::mix64(0x9e3779b97f4a7c15ULL) == 0xe220a8397b1dcdafULL);
  BOOST_TEST(anemll::mix64(2 * 0x9e3779b97f4a7c15ULL) == 0x6e789e6aa1b965f4ULL);
  BOOST_TEST(anemll::mix64(0) == 0u);
}

BOOST_AUTO_TEST_CASE(numbers_depend_on_seed_stream_and_index_only) {
  const anemll::CounterRng a(7, 3), again(7, 3);
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    for (std::uint64_t stream = 0; stream < 8; ++stream) {
      for (std::uint64_t i = 0; i < 64; ++i) seen.insert(anemll::CounterRng(seed, stream).bits(i));
    }
  }
  BOOST_TEST(seen.size() == 8u * 8 * 64);
  for (const std::uint64_t i : {0ULL, 5ULL, ~0ULL}) {
    BOOST_TEST(a.bits(i) == again.bits(i));
    BOOST_TEST(a.normal(i) == again.normal(i));
  }
}

BOOST_AUTO_TEST_CASE(the_stream_of_numbers_never_changes) {
  // Computed apart, in exact integers, from the formula in rng.hpp. A change would silently reorder every run
  // that resumes from an older checkpoint.
  BOOST_TEST(anemll::CounterRng(42, 0).bits(0) == 0xfdfcd76ee517dd8ULL);
  BOOST_TEST(anemll::CounterRng(42, 1).bits(12345) == 0xd80f79029bc23c01ULL);
}

BOOST_AUTO_TEST_CASE(uniform_and_normal_have_their_moments) {
  const anemll::CounterRng rng(11, 1);
  double sum = 0, squares = 0, n_sum = 0, n_squares = 0, pairs = 0, before = 0;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const double u = rng.uniform(i), z = rng.normal(i);
    BOOST_REQUIRE(u >= 0 && u < 1);
    BOOST_REQUIRE(std::isfinite(z));
    sum += u;
    squares += u * u;
    n_sum += z;
    n_squares += z * z;
    pairs += z * before;
    before = z;
  }
  constexpr auto kN = static_cast<double>(kDraws);
  BOOST_TEST(std::abs(sum / kN - 0.5) < kFiveSigma * 0.29);
  BOOST_TEST(std::abs(squares / kN - 1.0 / 3) < kFiveSigma * 0.30);
  BOOST_TEST(std::abs(n_sum / kN) < kFiveSigma);
  BOOST_TEST(std::abs(n_squares / kN - 1) < kFiveSigma * 1.42);
  BOOST_TEST(std::abs(pairs / kN) < kFiveSigma);  // neighbours are uncorrelated
}

BOOST_AUTO_TEST_CASE(below_is_even_and_in_range) {
  const anemll::CounterRng rng(3, 9);
  std::vector<double> counts(7);
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const std::uint64_t k = rng.below(i, 7);
    BOOST_REQUIRE(k < 7);
    ++counts[k];
  }
  constexpr double kExpected = static_cast<double>(kDraws) / 7;
  for (const double c : counts) BOOST_TEST(std::abs(c - kExpected) < 5 * std::sqrt(kExpected));
  BOOST_TEST(rng.below(0, 0) == 0u);
  BOOST_TEST(rng.below(0, 1) == 0u);
  // Just above half of all words: nearly every second word must be replaced.
  constexpr std::uint64_t kHuge = (1ULL << 63) + 1;
  for (std::uint64_t i = 0; i < 1000; ++i) BOOST_REQUIRE(rng.below(i, kHuge) < kHuge);
}

BOOST_AUTO_TEST_SUITE_END()
