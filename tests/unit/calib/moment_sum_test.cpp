// Sums over sequences: the same bits on any number of ranks, and the cap.
#include "src/calib/moment_sum.hpp"

#include "tests/support/moment_cases.hpp"

#include <cstdint>
#include <vector>

#include <ATen/TensorOperators.h>
#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

// fp32 products against fp64 sums, and the tokens that were added last.
constexpr double kTolerance = 1e-6;

}  // namespace

BOOST_AUTO_TEST_SUITE(calib_moment_sum)

BOOST_AUTO_TEST_CASE(any_number_of_ranks_gives_the_bits_of_one) {
  for (const int ranks : {2, 3, 5, 20}) run_local_ranks(ranks, test::check_moment_sums);
}

BOOST_AUTO_TEST_CASE(the_shares_of_the_ranks_cover_all_sequences_once) {
  for (const std::int64_t sequences : {1, 15, 16, 17, 100}) {
    for (const int ranks : {1, 2, 3, 16, 40}) {
      std::int64_t next = 0;
      for (int r = 0; r < ranks; ++r) {
        const SequenceShare share = share_of(sequences, r, ranks);
        BOOST_TEST(share.first == next);
        next = share.last;
      }
      BOOST_TEST(next == sequences);
    }
  }
}

BOOST_AUTO_TEST_CASE(no_token_holds_more_than_the_cap) {
  const auto comm = make_single_communicator();
  const MomentSum::Result result = test::sum_of(12, *comm);
  BOOST_TEST(result.uncapped_share > 0.1);  // the inputs are made so
  BOOST_TEST(result.capped > 0);
  // The weight of a capped token is fp32.
  BOOST_TEST(result.moments.largest <= result.moments.trace() * kTokenCap * (1 + kTolerance));
  BOOST_TEST(result.moments.largest >= result.moments.trace() * kTokenCap * (1 - kTolerance));
}

BOOST_AUTO_TEST_CASE(without_a_cap_they_are_the_plain_sum) {
  const auto comm = make_single_communicator();
  constexpr double kNoCap = 1;
  MomentSum sum(test::kMomentColumns, {true, false}, 5, kNoCap);
  Moments wanted(test::kMomentColumns, {true, false});
  for (std::int64_t s = 0; s < 5; ++s) {
    sum.add(s, test::moment_inputs(s), test::moment_weights(s));
    wanted.add(test::moment_inputs(s), test::moment_weights(s));
  }
  const MomentSum::Result result = sum.finish(*comm);
  BOOST_TEST(result.capped == 0);
  BOOST_TEST(result.moments.tokens == wanted.tokens);
  const double scale = wanted.full.abs().max().item<double>();
  BOOST_TEST((result.moments.full - wanted.full).abs().max().item<double>() < kTolerance * scale);
  BOOST_TEST(result.moments.trace() == wanted.trace(), boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(the_whole_matrix_stays_positive) {
  const auto comm = make_single_communicator();
  const Moments moments = test::sum_of(12, *comm).moments;
  const at::Tensor values = moments.full.diagonal();
  BOOST_TEST(at::equal(moments.full, moments.full.t()));
  BOOST_TEST((values > 0).all().item<bool>());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
