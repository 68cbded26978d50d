// A column that no line of src knows, added to the table here: it goes through every place that columns pass.
#include "anemll/core/file.hpp"
#include "anemll/data/kd_cache.hpp"
#include "anemll/data/prefetcher.hpp"
#include "tests/support/made_up_column.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/data/expect_error.hpp"
#include "tests/unit/data/synthetic_cache.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace anemll {
namespace {

namespace fs = std::filesystem;
using test::expect_data_error;
using test::TempDir;

CacheShape margin_shape() {
  CacheShape shape = test::small_shape();
  shape.columns = test::with_margin();
  shape.listed = {test::kMargin};
  return shape;
}

/// Every column of the table.
CacheShape full_shape() {
  CacheShape shape = test::small_shape();
  shape.list(Payload::lse);
  shape.lse_train_temperature = 2.5;
  shape.hidden = 6;
  shape.head_sha256 = std::string(64, 'a');
  return shape;
}

constexpr PayloadSet kAll = {Payload::negatives, Payload::lse, Payload::hidden};

/// The bytes of a row of a column, as the helper wrote them.
test::DatasetBytes row_of(const DatasetSpec& spec, std::int64_t row) {
  return test::make_rows(spec, row, 1);
}

void check_rows(const KdBatch& batch, const CacheShape& shape, const std::vector<std::int64_t>& rows) {
  BOOST_TEST(batch.row_ids == rows);
  BOOST_TEST(batch.arrays().size() == datasets_of(shape).size());
  for (const DatasetSpec& spec : datasets_of(shape)) {
    const std::span<const std::byte> bytes = batch.bytes(spec.name);
    BOOST_REQUIRE_EQUAL(bytes.size(), rows.size() * spec.row_bytes());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto got = bytes.subspan(i * spec.row_bytes(), spec.row_bytes());
      const auto wanted =
          rows[i] < 0 ? test::DatasetBytes(got.size(), std::byte{spec.column->fill}) : row_of(spec, rows[i]);
      BOOST_TEST(std::ranges::equal(got, wanted), spec.name << " of row " << rows[i]);
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(data_columns)

BOOST_AUTO_TEST_CASE(names_are_found_and_are_their_own) {
  for (const KdColumn& column : kd_columns()) BOOST_TEST(kd_columns().find(column.name) == &column);
  BOOST_TEST(kd_columns().find("margin") == nullptr);
  BOOST_TEST(!test::small_shape().has("margin"));
  BOOST_TEST(full_shape().payloads().has(Payload::hidden));
  BOOST_TEST(!test::small_shape().payloads().has(Payload::lse));
}

BOOST_AUTO_TEST_CASE(every_column_is_written_read_cut_and_kept) {
  const TempDir temp;
  test::write_cache(temp / "c", full_shape(), {3, 5});
  KdCache cache = KdCache::open(temp / "c");
  KdBatch batch;
  cache.read(std::vector<std::int64_t>{7, -1, 2, 3, 0}, kAll, batch);
  check_rows(batch, full_shape(), {7, -1, 2, 3, 0});
  check_rows(batch.slice(1, 3), full_shape(), {-1, 2, 3});
  BOOST_TEST(batch.slice(1, 3).hidden_size == 6);
  batch.keep_rows(std::vector<std::int64_t>{0, 2, 4});
  BOOST_TEST(batch.rows == 3);
  check_rows(batch, full_shape(), {7, 2, 0});
}

BOOST_AUTO_TEST_CASE(a_new_column_is_one_row) {
  const TempDir temp;
  const CacheShape shape = margin_shape();
  test::write_cache(temp / "c", shape, {3, 5});
  const auto payloads = nlohmann::json::parse(read_text(temp / "c" / kIndexName))["payloads"];
  BOOST_TEST(payloads.contains("margin"));

  KdCache cache = KdCache::open(temp / "c", CachePart::training, test::with_margin());
  BOOST_TEST((static_cast<const CacheShape&>(cache.info()) == shape));
  BOOST_TEST(cache.info().describe().ends_with(", margin"));
  cache.verify(nullptr);
  KdBatch batch;
  cache.read(std::vector<std::int64_t>{6, -1, 1}, {Payload::negatives, Payload::lse}, batch);
  check_rows(batch, shape, {6, -1, 1});
  BOOST_TEST(batch[test::kMargin][0] == 6.25F);
  check_rows(batch.slice(2, 1), shape, {1});
  cache.read(std::vector<std::int64_t>{6}, {}, batch);
  BOOST_TEST(batch[test::kMargin].empty());

  Prefetcher::Options options;
  options.columns = test::with_margin();
  options.payloads = {Payload::negatives, Payload::lse};
  check_rows(Prefetcher(temp / "c", OrderKind::sequential, 3, 0, options).next(), shape, {0, 1, 2});
  // Without its row it is not looked at, so the hash of the shard cannot be right.
  expect_data_error([&] { (void)KdCache::open(temp / "c"); }, {"the hash of the shard", "shard_00000.h5"});
}

BOOST_AUTO_TEST_CASE(a_new_column_is_checked) {
  const TempDir temp;
  test::write_cache(temp / "c", margin_shape(), {5}, 0,
                    test::plant_value(0, "margin", 2, 5, std::uint32_t{0x7FC00000}));
  KdCache cache = KdCache::open(temp / "c", CachePart::training, test::with_margin());
  expect_data_error([&] { cache.verify(nullptr); }, {"margin", "row 2", "position 1, entry 1", "not finite"});
}

BOOST_AUTO_TEST_CASE(a_new_column_goes_out_and_in) {
  const TempDir temp;
  test::write_cache(temp / "c", margin_shape(), {3, 5});
  export_torch_cache(temp / "c", temp / "pt", false, {}, test::with_margin());
  ImportOptions options;
  options.columns = test::with_margin();
  import_torch_cache(temp / "pt", temp / "back", options, {});
  for (const char* name : {"shard_00000.h5", "shard_00001.h5"}) {
    BOOST_TEST(ShardReader(temp / "back" / name, test::with_margin()).sha256() ==
               ShardReader(temp / "c" / name, test::with_margin()).sha256());
  }
  import_torch_cache(temp / "pt", temp / "plain", {}, {});  // by the usual table: left out
  BOOST_TEST((KdCache::open(temp / "plain").info().listed.empty()));
}

// Of all columns, by another program than this one: the format must not change.
BOOST_AUTO_TEST_CASE(hashes_and_index_are_what_they_were) {
  const TempDir temp;
  const CacheIndex index = test::write_cache(temp / "c", full_shape(), {3, 5});
  const auto payloads = nlohmann::ordered_json::parse(read_text(temp / "c" / kIndexName))["payloads"];
  BOOST_TEST(payloads.dump() ==
             R"({"lse_t1":{},"lse_train":{"temperature":2.5},"hidden":{"size":6,"head_sha256":")" +
                 std::string(64, 'a') + R"("}})");
  BOOST_TEST(
      index.shape.describe() ==
      "L 8, S 7, K 4, R 3, vocabulary 1000, lse_t1, lse_train at T 2.500000, hidden 6 of head aaaaaaaaaaaa");
  BOOST_TEST(index.fingerprint() == "d2182217df663a5b5bd0354060c1d57e41f036a77c8c0613e02c926e9eeeb5bb");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
