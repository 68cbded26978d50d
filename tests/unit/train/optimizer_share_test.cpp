// Shares of the moments: each element belongs to one rank, an update of shares is that of the whole, and the
// whole comes together on rank 0.
#include "src/train/internal/optimizer_share.hpp"

#include "anemll/comm/communicator.hpp"
#include "src/train/internal/optimizer.hpp"

#include <mutex>
#include <vector>

#include <ATen/ATen.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;

BOOST_AUTO_TEST_SUITE(optimizer_share)

BOOST_AUTO_TEST_CASE(shares_give_the_bits_of_the_whole) {
  constexpr std::int64_t kNumel = 1001;  // no multiple of the ranks
  at::manual_seed(1);
  const at::Tensor start = at::randn({kNumel});
  const at::Tensor gradient = at::randn({kNumel});
  at::Tensor expected = start.clone();
  AdamW whole(expected);
  for (int step = 0; step < 3; ++step) whole.update(expected, gradient, 1e-2, 0.5);

  for (const bool shard : {true, false}) {
    std::mutex mutex;  // Boost's checks are not for several threads at once
    std::vector<std::int64_t> covered(kNumel, 0);
    run_local_ranks(3, [&](Communicator& comm) {
      const OptimizerShare share(comm, kNumel, shard);
      const at::Tensor values = start.clone();
      AdamW mine(share.mine(values));
      for (int step = 0; step < 3; ++step) {
        mine.update(share.mine(values), share.mine(gradient), 1e-2, 0.5);
        share.complete(values);
      }
      const at::Tensor first = share.whole(mine.m);
      const at::Tensor second = share.whole(mine.v);
      const std::lock_guard<std::mutex> lock(mutex);
      BOOST_TEST(values.equal(expected));
      BOOST_TEST(mine.m.numel() == share.end() - share.begin());
      for (std::int64_t i = share.begin(); i < share.end(); ++i) ++covered[static_cast<std::size_t>(i)];
      BOOST_TEST(first.defined() == (comm.is_root() || !shard));
      if (!first.defined()) return;
      BOOST_TEST(first.equal(whole.m));
      BOOST_TEST(second.equal(whole.v));
    });
    BOOST_TEST(covered == std::vector<std::int64_t>(kNumel, shard ? 1 : 3), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_SUITE_END()
