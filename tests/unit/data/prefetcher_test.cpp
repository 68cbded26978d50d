// The reader thread: order, resumption, errors in their place, and an end at any moment.
#include "anemll/data/prefetcher.hpp"

#include "tests/support/temp_dir.hpp"
#include "tests/unit/data/expect_error.hpp"
#include "tests/unit/data/synthetic_cache.hpp"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

using test::expect_data_error;
using test::small_shape;
using test::TempDir;
using test::write_cache;

// The rows that a batch says it has, which are held against what it shows.
std::vector<std::int64_t> rows_of(const KdBatch& batch) {
  for (std::size_t i = 0; i < batch.row_ids.size(); ++i) {
    const std::int32_t id = batch[kd::input_ids][i * 8];  // ids start at 7 * row
    BOOST_TEST(id == 7 * std::max<std::int64_t>(batch.row_ids[i], 0));
  }
  return batch.row_ids;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(data_prefetcher)

BOOST_AUTO_TEST_CASE(batches_follow_the_order_over_epochs) {
  const TempDir temp;
  write_cache(temp / "c", small_shape(), {3, 5, 3});
  Prefetcher prefetcher(temp / "c", OrderKind::shuffle, 4, 5, {});
  BOOST_TEST(prefetcher.info().sequences == 11);
  const SampleOrder order(11, 4, OrderKind::shuffle, 5);
  for (std::int64_t step = 0; step < 3 * order.batches_per_epoch(); ++step) {
    BOOST_TEST(rows_of(prefetcher.next()) == order.rows(step, 0, 1), "step " << step);
    BOOST_TEST(prefetcher.order().rows(step, 0, 1) == order.rows(step, 0, 1));
  }
  BOOST_TEST(prefetcher.wait_seconds() > 0);
}

BOOST_AUTO_TEST_CASE(a_cache_is_looked_at_before_the_batch_is_settled) {
  const TempDir temp;
  write_cache(temp / "c", small_shape(), {3, 5, 3});
  // One that is never started ends all the same.
  BOOST_TEST(Prefetcher(temp / "c", Prefetcher::Options()).info().sequences == 11);
  Prefetcher::Options options;
  options.first_step = 2;
  Prefetcher prefetcher(temp / "c", options);
  BOOST_TEST(rows_of(prefetcher.read_rows(4, 3)) == (std::vector<std::int64_t>{4, 5, 6}));
  prefetcher.start(OrderKind::shuffle, 4, 5);
  const SampleOrder order(11, 4, OrderKind::shuffle, 5);
  for (const std::int64_t step : {2, 3}) BOOST_TEST(rows_of(prefetcher.next()) == order.rows(step, 0, 1));
  BOOST_CHECK_THROW(prefetcher.start(OrderKind::shuffle, 4, 5), std::logic_error);
}

BOOST_AUTO_TEST_CASE(a_step_number_is_the_whole_state) {
  const TempDir temp;
  write_cache(temp / "c", small_shape(), {3, 5, 3});
  const SampleOrder order(11, 4, OrderKind::shuffle, 5);
  for (const std::int64_t first : {0, 1, 2, 3, 100}) {
    for (int rank = 0; rank < 3; ++rank) {
      Prefetcher::Options options;
      options.rank = rank;
      options.world = 3;
      options.first_step = first;
      options.depth = 1;
      Prefetcher prefetcher(temp / "c", OrderKind::shuffle, 4, 5, options);
      for (std::int64_t step = first; step < first + 4; ++step) {
        BOOST_TEST(rows_of(prefetcher.next()) == order.rows(step, rank, 3));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(negatives_come_when_asked_for) {
  const TempDir temp;
  write_cache(temp / "c", small_shape(), {4});
  Prefetcher::Options options;
  BOOST_TEST(Prefetcher(temp / "c", OrderKind::sequential, 2, 0, options).next().rand_neg == 0);
  options.payloads = {Payload::negatives};
  const KdBatch batch = Prefetcher(temp / "c", OrderKind::sequential, 2, 0, options).next();
  BOOST_TEST(batch.rand_neg == 3);
  BOOST_TEST(batch[kd::rand_idx][21] == test::expected_id("rand_idx", 1, 0));
}

// Neither a full nor an empty queue may hold a direct request up.
BOOST_AUTO_TEST_CASE(direct_reads_do_not_disturb_the_queue) {
  const TempDir temp;
  write_cache(temp / "c", small_shape(), {3, 5, 3});
  Prefetcher::Options options;
  options.depth = 2;
  Prefetcher prefetcher(temp / "c", OrderKind::sequential, 2, 0, options);
  for (std::int64_t step = 0; step < 5; ++step) {
    BOOST_TEST(rows_of(prefetcher.read_rows(0, 4)) == (std::vector<std::int64_t>{0, 1, 2, 3}));
    BOOST_TEST(rows_of(prefetcher.next()) == (std::vector<std::int64_t>{2 * step, 2 * step + 1}));
  }
  expect_data_error([&] { prefetcher.read_rows(8, 4); }, {"row 11"});
  BOOST_TEST(rows_of(prefetcher.next()) == (std::vector<std::int64_t>{10, -1}));
}

BOOST_AUTO_TEST_CASE(errors_come_where_the_batch_would_have_been) {
  const TempDir temp;
  write_cache(temp / "c", small_shape(), {8}, 0,
              test::plant_value(0, "topk_logits", 5, 0, std::uint16_t{0x7E00}));
  Prefetcher prefetcher(temp / "c", OrderKind::sequential, 2, 0, {});
  BOOST_TEST(rows_of(prefetcher.next()) == (std::vector<std::int64_t>{0, 1}));
  BOOST_TEST(rows_of(prefetcher.next()) == (std::vector<std::int64_t>{2, 3}));
  for (int again = 0; again < 2; ++again) {
    expect_data_error([&] { prefetcher.next(); }, {"topk_logits", "row 5", "not finite"});
  }
  BOOST_TEST(rows_of(prefetcher.read_rows(6, 2)) == (std::vector<std::int64_t>{6, 7}));
}

BOOST_AUTO_TEST_CASE(opening_errors_are_thrown_by_the_constructor) {
  const TempDir temp;
  expect_data_error([&] { Prefetcher(temp / "none", OrderKind::shuffle, 4, 0, {}); }, {"does not exist"});
  write_cache(temp / "c", small_shape(), {3});
  Prefetcher::Options options;
  options.vocab_size = 1;  // the first and the last row are read when a cache is opened; those are in bounds
  expect_data_error([&] { Prefetcher(temp / "c", OrderKind::shuffle, 4, 0, options).next(); },
                    {"[0, 1) of the model", "1000 ids"});
  expect_data_error(
      [&] {
        write_file(temp / "c" / "shard_00000.h5", "x");
        Prefetcher(temp / "c", OrderKind::shuffle, 4, 0, {});
      },
      {"shard_00000.h5"});
}

// The thread may be opening, reading, or asleep in front of a full queue.
BOOST_AUTO_TEST_CASE(destruction_never_waits_for_the_queue) {
  const TempDir temp;
  write_cache(temp / "c", small_shape(), {8});
  for (int taken = 0; taken < 50; ++taken) {
    Prefetcher::Options options;
    options.depth = 1 + static_cast<std::size_t>(taken % 3);
    Prefetcher prefetcher(temp / "c", OrderKind::shuffle, 3, 0, options);
    for (int i = 0; i < taken % 5; ++i) prefetcher.next();
  }
  BOOST_TEST(true);
}

BOOST_AUTO_TEST_SUITE_END()
}  // namespace anemll
