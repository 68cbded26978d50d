// Optional payloads of rows, and the part of a cache that is kept out of training.
#include "anemll/core/file.hpp"
#include "anemll/data/kd_cache.hpp"
#include "anemll/data/prefetcher.hpp"
#include "tests/support/capture.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/data/expect_error.hpp"
#include "tests/unit/data/synthetic_cache.hpp"

#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <unistd.h>

namespace anemll {
namespace {

namespace fs = std::filesystem;
using test::expect_data_error;
using test::small_shape;
using test::TempDir;
using test::write_cache;

void expect_row(const KdBatch& batch, std::int64_t row) {
  for (std::int64_t i = 0; i < batch.length; ++i) {
    BOOST_TEST(batch[kd::input_ids][static_cast<std::size_t>(i)] == test::expected_id("input_ids", row, i));
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(data_cache_parts)

BOOST_AUTO_TEST_CASE(payloads_come_when_asked_for) {
  const TempDir temp;
  CacheShape shape = small_shape();
  shape.list(Payload::lse);
  shape.lse_train_temperature = 2.0;
  shape.hidden = 6;
  shape.head_sha256 = std::string(64, 'a');
  write_cache(temp / "c", shape, {3, 2});
  auto cache = KdCache::open(temp / "c");
  BOOST_TEST(cache.info().has(kd::lse_t1));
  BOOST_TEST(cache.info().lse_train_temperature == 2.0);
  BOOST_TEST(cache.info().hidden == 6);
  BOOST_TEST(cache.info().head_sha256 == shape.head_sha256);

  const auto rows = static_cast<std::size_t>(shape.positions);
  KdBatch batch;
  cache.read(std::vector<std::int64_t>{2, -1, 3}, {Payload::lse, Payload::hidden}, batch);
  BOOST_TEST(batch[kd::rand_idx].empty());
  BOOST_TEST(batch.hidden_size == 6);
  BOOST_TEST(batch[kd::lse_t1].size() == 3 * rows);
  BOOST_TEST(batch[kd::lse_train].size() == 3 * rows);
  BOOST_TEST(batch[kd::hidden].size() == 3 * rows * 6);
  BOOST_TEST(batch[kd::lse_t1][0] == 2.25F);
  BOOST_TEST(batch[kd::lse_t1][rows] == 0.0F);  // the padding row
  cache.read(std::vector<std::int64_t>{2}, {}, batch);
  BOOST_TEST((batch[kd::hidden].empty() && batch[kd::lse_t1].empty() && batch[kd::lse_train].empty()));
}

BOOST_AUTO_TEST_CASE(the_holdout_part_is_apart_from_training) {
  const TempDir temp;
  write_cache(temp / "c", small_shape(), {3, 2});
  const std::string whole = KdCache::open(temp / "c").info().fingerprint;
  expect_data_error([&] { KdCache::open(temp / "c", CachePart::holdout); },
                    {"no hold-out part", "--holdout"});

  fs::rename(temp / "c" / "shard_00001.h5", temp / "c" / "holdout_00000.h5");
  CacheIndex index = parse_index(read_text(temp / "c" / "index.json"), temp / "c" / "index.json");
  index.holdout = {index.shards.back()};
  index.holdout.front().file = "holdout_00000.h5";
  index.shards.pop_back();
  write_file(temp / "c" / "index.json", write_index(index));

  auto training = KdCache::open(temp / "c");
  BOOST_TEST(training.info().sequences == 3);
  BOOST_TEST(training.info().holdout_sequences == 2);
  BOOST_TEST(training.info().fingerprint != whole);
  auto holdout = KdCache::open(temp / "c", CachePart::holdout);
  BOOST_TEST(holdout.info().sequences == 2);
  KdBatch batch;
  holdout.read(std::vector<std::int64_t>{1}, {}, batch);
  expect_row(batch, 4);

  Prefetcher prefetcher(temp / "c", OrderKind::sequential, 2, 0, {});
  batch = prefetcher.read_holdout(0, 1);
  expect_row(batch, 3);
  batch = prefetcher.read_rows(2, 1);
  expect_row(batch, 2);
}

BOOST_AUTO_TEST_CASE(export_says_what_stays_behind) {
  const TempDir temp;
  const auto exported = [&](const std::string& name) {
    test::Capture log(STDERR_FILENO);
    export_torch_cache(temp / name, temp / (name + "-pt"), false, {});
    return log.text();
  };
  const auto said = [](const std::string& log, const std::string& words) {
    return log.find(words) != std::string::npos;
  };
  write_cache(temp / "plain", small_shape(), {3});
  BOOST_TEST(!said(exported("plain"), "left out"));

  CacheIndex index = write_cache(temp / "held", small_shape(), {3, 4});
  fs::rename(temp / "held" / "shard_00001.h5", temp / "held" / "holdout_00000.h5");
  index.holdout = {index.shards.back()};
  index.holdout[0].file = "holdout_00000.h5";
  index.shards.pop_back();
  write_file(temp / "held" / kIndexName, write_index(index));
  std::string log = exported("held");
  BOOST_TEST(said(log, "4 hold-out sequences"), log);
  BOOST_TEST(!said(log, "logsumexp"), log);

  CacheShape shape = small_shape();
  shape.listed = {kd::lse_t1};
  shape.hidden = 6;
  shape.head_sha256 = std::string(64, 'a');
  write_cache(temp / "more", shape, {3});
  log = exported("more");
  BOOST_TEST(said(log, "logsumexp, hidden states"), log);
  BOOST_TEST(!said(log, "hold-out"), log);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
