// The order of samples: a bijection, frozen for ever, and the same at every world size.
#include "anemll/data/order.hpp"

#include "tests/unit/data/expect_error.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

std::vector<std::int64_t> epoch_order(const SampleOrder& order, std::int64_t count, std::int64_t epoch) {
  std::vector<std::int64_t> samples;
  for (std::int64_t i = 0; i < count; ++i) samples.push_back(order.at(epoch, i));
  return samples;
}

std::vector<std::int64_t> first_numbers(std::int64_t count) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(data_order)

BOOST_AUTO_TEST_CASE(every_epoch_is_a_permutation) {
  for (const std::int64_t count : {1, 2, 3, 4, 5, 7, 8, 9, 64, 1000, 1024, 1025, 20000}) {
    const SampleOrder order(count, 8, OrderKind::shuffle, 42);
    for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
      std::vector<std::int64_t> samples = epoch_order(order, count, epoch);
      std::sort(samples.begin(), samples.end());
      BOOST_TEST(samples == first_numbers(count), "count " << count << ", epoch " << epoch);
    }
  }
}

BOOST_AUTO_TEST_CASE(epochs_and_seeds_differ) {
  const SampleOrder order(64, 8, OrderKind::shuffle, 1);
  const SampleOrder other(64, 8, OrderKind::shuffle, 2);
  BOOST_TEST(epoch_order(order, 64, 0) != epoch_order(order, 64, 1));
  BOOST_TEST(epoch_order(order, 64, 0) != epoch_order(other, 64, 0));
  BOOST_TEST(epoch_order(order, 64, 0) != first_numbers(64));
}

// Values of an independent implementation (Python integers) of the construction described in order.cpp.
// A change here breaks the resumption of every existing run.
BOOST_AUTO_TEST_CASE(values_are_frozen) {
  const std::vector<std::int64_t> ten = {3, 6, 0, 1, 8, 4, 7, 2, 9, 5};
  const std::vector<std::int64_t> thousand = {927, 104, 324, 727, 455, 976, 942, 294};
  const std::vector<std::int64_t> huge = {719232312, 2894087500, 4849783583, 2249205138, 740046152};
  BOOST_TEST(epoch_order(SampleOrder(10, 3, OrderKind::shuffle, 0), 10, 0) == ten);
  BOOST_TEST(epoch_order(SampleOrder(1000, 8, OrderKind::shuffle, 42), 8, 3) == thousand);
  BOOST_TEST(epoch_order(SampleOrder(5'000'000'000, 8, OrderKind::shuffle, ~std::uint64_t{0}), 5,
                         1'000'000) == huge);
}

// Where sample 0 lands over many epochs, and what follows it, must look uniform. Chi-square with 9 and 9
// degrees of freedom; 35 is passed by chance once in 20,000. The input is fixed, so the test is too.
BOOST_AUTO_TEST_CASE(small_epochs_look_random) {
  constexpr double kChiSquareLimit = 35;
  constexpr int kEpochs = 20000;
  constexpr std::int64_t kCount = 10;
  const SampleOrder order(kCount, 1, OrderKind::shuffle, 7);
  std::vector<double> place(kCount), successor(kCount);
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    const std::vector<std::int64_t> samples = epoch_order(order, kCount, epoch);
    const auto at = std::find(samples.begin(), samples.end(), 0) - samples.begin();
    ++place[static_cast<std::size_t>(at)];
    ++successor[static_cast<std::size_t>(samples[static_cast<std::size_t>((at + 1) % kCount)])];
  }
  const auto chi_square = [&](const std::vector<double>& counts, std::size_t first) {
    const double expected = static_cast<double>(kEpochs) / static_cast<double>(counts.size() - first);
    double sum = 0;
    for (std::size_t i = first; i < counts.size(); ++i)
      sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    return sum;
  };
  BOOST_TEST(chi_square(place, 0) < kChiSquareLimit);
  BOOST_TEST(successor[0] == 0.0);
  BOOST_TEST(chi_square(successor, 1) < kChiSquareLimit);
}

BOOST_AUTO_TEST_CASE(sequential_is_the_identity) {
  const SampleOrder order(10, 4, OrderKind::sequential, 42);
  BOOST_TEST(epoch_order(order, 10, 0) == first_numbers(10));
  BOOST_TEST(epoch_order(order, 10, 5) == first_numbers(10));
  BOOST_TEST(order.rows(0, 0, 1) == (std::vector<std::int64_t>{0, 1, 2, 3}));
  BOOST_TEST(order.rows(2, 0, 1) == (std::vector<std::int64_t>{8, 9, -1, -1}));
  BOOST_TEST(order.rows(3, 0, 1) == (std::vector<std::int64_t>{0, 1, 2, 3}));
}

BOOST_AUTO_TEST_CASE(ranks_together_read_the_global_batch) {
  for (const std::int64_t batch : {1, 3, 5, 7, 8, 9, 16}) {
    const SampleOrder order(61, batch, OrderKind::shuffle, 9);
    BOOST_TEST(order.batches_per_epoch() == (61 + batch - 1) / batch);
    for (std::int64_t step = 0; step < 2 * order.batches_per_epoch(); ++step) {
      std::vector<std::int64_t> global = order.rows(step, 0, 1);
      BOOST_TEST(global.size() == static_cast<std::size_t>(batch));
      std::erase(global, -1);
      for (const int world : {2, 3, 4, 8}) {
        std::vector<std::int64_t> joined;
        for (int rank = 0; rank < world; ++rank) {
          const std::vector<std::int64_t> mine = order.rows(step, rank, world);
          BOOST_TEST(mine.size() == static_cast<std::size_t>((batch + world - 1) / world));
          joined.insert(joined.end(), mine.begin(), mine.end());
        }
        std::erase(joined, -1);
        BOOST_TEST(joined == global, "batch " << batch << ", step " << step << ", world " << world);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(an_epoch_shows_every_sample_once) {
  const SampleOrder order(61, 8, OrderKind::shuffle, 9);
  std::vector<std::int64_t> seen;
  for (std::int64_t step = order.batches_per_epoch(); step < 2 * order.batches_per_epoch(); ++step) {
    for (int rank = 0; rank < 3; ++rank) {
      for (const std::int64_t row : order.rows(step, rank, 3)) {
        if (row >= 0) seen.push_back(row);
      }
    }
  }
  BOOST_TEST(order.rows(order.batches_per_epoch() - 1, 0, 1).back() == -1);  // 61 = 7 * 8 + 5
  std::sort(seen.begin(), seen.end());
  BOOST_TEST(seen == first_numbers(61));
}

BOOST_AUTO_TEST_CASE(impossible_sizes_are_refused) {
  test::expect_data_error([] { SampleOrder(0, 8, OrderKind::shuffle, 0); }, {"no sequences"});
  test::expect_error([] { SampleOrder(8, 0, OrderKind::shuffle, 0); }, ExitCode::usage, {"--batch-size"});
}

BOOST_AUTO_TEST_SUITE_END()
}  // namespace anemll
