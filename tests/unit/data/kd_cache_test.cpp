// Reading HDF5 caches: rows, layouts, and every way in which a cache can be wrong.
#include "anemll/data/kd_cache.hpp"

#include "anemll/core/file.hpp"
#include "src/data/origin.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/data/expect_error.hpp"
#include "tests/unit/data/synthetic_cache.hpp"

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

namespace fs = std::filesystem;
using test::expect_data_error;
using test::small_shape;
using test::TempDir;
using test::write_cache;

void check_row(const KdBatch& batch, std::size_t place, std::int64_t row) {
  for (std::int64_t i = 0; i < 8; ++i) {
    BOOST_TEST(batch[kd::input_ids][place * 8 + static_cast<std::size_t>(i)] ==
               test::expected_id("input_ids", row, i));
    BOOST_TEST(batch[kd::attention_mask][place * 8 + static_cast<std::size_t>(i)] == 1);
  }
  for (std::int64_t i = 0; i < 28; ++i) {
    const std::size_t at = place * 28 + static_cast<std::size_t>(i);
    BOOST_TEST(batch[kd::topk_idx][at] == test::expected_id("topk_idx", row, i));
    BOOST_TEST(batch[kd::topk_logits][at] == test::expected_half(row, i, 4));
  }
  BOOST_TEST(!batch.is_missing(static_cast<std::int64_t>(place)));
}

void replace_in_file(const fs::path& path, const std::string& from, const std::string& to) {
  std::string text = read_text(path);
  const std::size_t at = text.find(from);
  BOOST_REQUIRE(at != std::string::npos);
  write_file(path, text.replace(at, from.size(), to));
}

void nothing(std::int64_t, std::int64_t) {}

// A cache of one shard of 5 rows with one planted fault.
void expect_fault(const TempDir& temp, const test::Plant& plant, const std::vector<std::string>& parts,
                  const CacheShape& shape = small_shape()) {
  static int number = 0;
  const fs::path folder = temp / ("fault" + std::to_string(number++));
  write_cache(folder, shape, {5}, 0, plant);
  auto cache = KdCache::open(folder);  // rows 1 to 3 are not looked at
  expect_data_error([&] { cache.verify(nothing); }, parts);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(data_kd_cache)

BOOST_AUTO_TEST_CASE(info_describes_the_cache) {
  const TempDir temp;
  const CacheIndex index = write_cache(temp / "c", small_shape(), {3, 5, 2});
  auto cache = KdCache::open(temp / "c");
  const KdCacheInfo& info = cache.info();
  BOOST_TEST(info.sequences == 10);
  BOOST_TEST(info.length == 8);
  BOOST_TEST(info.positions == 7);
  BOOST_TEST(info.topk == 4);
  BOOST_TEST(info.rand_neg == 3);
  BOOST_TEST(info.vocab_size == 1000);
  BOOST_TEST(info.shards == 3);
  BOOST_TEST(info.all_attended);
  BOOST_TEST(info.fingerprint == index.fingerprint());
  BOOST_TEST(info.meta_json.find("\"teacher_model\":\"synthetic\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(rows_come_in_any_order_across_shards) {
  const TempDir temp;
  write_cache(temp / "c", small_shape(), {3, 5, 2});
  auto cache = KdCache::open(temp / "c");
  const std::vector<std::int64_t> rows = {9, 2, 3, 4, 5, 0, -1, 7, 7, 8};
  KdBatch batch;
  cache.read(rows, {Payload::negatives}, batch);
  BOOST_TEST(batch.rows == 10);
  BOOST_TEST(batch.row_ids == rows);
  BOOST_TEST(batch.rand_neg == 3);
  BOOST_TEST(batch[kd::rand_idx].size() == 10U * 7 * 3);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] < 0) continue;
    check_row(batch, i, rows[i]);
    for (std::size_t j = 0; j < 21; ++j) {
      BOOST_TEST(batch[kd::rand_idx][i * 21 + j] ==
                 test::expected_id("rand_idx", rows[i], static_cast<std::int64_t>(j)));
    }
  }
}

// The same batch object is used again and again, so padding must not show what a row held before.
BOOST_AUTO_TEST_CASE(padding_rows_are_empty) {
  const TempDir temp;
  write_cache(temp / "c", small_shape(), {4});
  auto cache = KdCache::open(temp / "c");
  KdBatch batch;
  cache.read(std::vector<std::int64_t>{0, 1}, {}, batch);
  cache.read(std::vector<std::int64_t>{2, -1}, {}, batch);
  check_row(batch, 0, 2);
  BOOST_TEST(batch.is_missing(1));
  BOOST_TEST(std::all_of(batch[kd::input_ids].begin() + 8, batch[kd::input_ids].end(),
                         [](auto v) { return v == 0; }));
  BOOST_TEST(std::all_of(batch[kd::attention_mask].begin() + 8, batch[kd::attention_mask].end(),
                         [](auto v) { return v == 1; }));
  BOOST_TEST(std::all_of(batch[kd::topk_idx].begin() + 28, batch[kd::topk_idx].end(),
                         [](auto v) { return v == 0; }));
  BOOST_TEST(std::all_of(batch[kd::topk_logits].begin() + 28, batch[kd::topk_logits].end(),
                         [](auto v) { return v == 0; }));
  BOOST_TEST(batch[kd::rand_idx].empty());
  BOOST_TEST(batch.rand_neg == 0);
}

BOOST_AUTO_TEST_CASE(compression_changes_bytes_but_not_content) {
  const TempDir temp;
  write_cache(temp / "plain", small_shape(), {40});
  write_cache(temp / "packed", small_shape(), {40}, 1);
  auto plain = KdCache::open(temp / "plain");
  auto packed = KdCache::open(temp / "packed");
  BOOST_TEST(plain.info().fingerprint == packed.info().fingerprint);
  KdBatch batch;
  packed.read(std::vector<std::int64_t>{39, 0}, {Payload::negatives}, batch);
  check_row(batch, 0, 39);
  check_row(batch, 1, 0);
  packed.verify(nothing);
  // The layout asked for is there: one row a chunk, shuffled and deflated.
  const h5::File file = h5::File::open(temp / "packed" / "shard_00000.h5");
  BOOST_TEST(file.dataset("topk_logits").chunk_rows() == 1);
  BOOST_TEST(h5::File::open(temp / "plain" / "shard_00000.h5").dataset("topk_logits").chunk_rows() == 0);
}

BOOST_AUTO_TEST_CASE(files_depend_on_content_only) {
  const TempDir temp;
  write_cache(temp / "a", small_shape(), {3, 2});
  write_cache(temp / "b", small_shape(), {3, 2});
  for (const char* name : {"shard_00000.h5", "shard_00001.h5", "index.json"}) {
    BOOST_TEST(read_text(temp / "a" / name) == read_text(temp / "b" / name));
  }
}

BOOST_AUTO_TEST_CASE(a_shard_alone_is_a_cache) {
  const TempDir temp;
  write_cache(temp / "c", small_shape(), {3, 5});
  auto cache = KdCache::open(temp / "c" / "shard_00001.h5");
  BOOST_TEST(cache.info().sequences == 5);
  BOOST_TEST(cache.info().shards == 1);
  KdBatch batch;
  cache.read(std::vector<std::int64_t>{4}, {}, batch);
  check_row(batch, 0, 7);
  cache.verify(nothing);
}

BOOST_AUTO_TEST_CASE(more_shards_than_are_kept_open) {
  const TempDir temp;
  write_cache(temp / "c", small_shape(), std::vector<std::int64_t>(70, 1));
  auto cache = KdCache::open(temp / "c");
  KdBatch batch;
  for (const std::int64_t row : {0, 69, 1, 35, 0}) {
    cache.read(std::vector<std::int64_t>{row}, {}, batch);
    check_row(batch, 0, row);
  }
}

BOOST_AUTO_TEST_CASE(verify_reports_progress_and_passes) {
  const TempDir temp;
  write_cache(temp / "c", small_shape(), {3, 5, 2});
  std::vector<std::int64_t> seen;
  KdCache::open(temp / "c").verify([&](std::int64_t done, std::int64_t total) {
    BOOST_TEST(total == 10);
    seen.push_back(done);
  });
  BOOST_TEST(seen == (std::vector<std::int64_t>{3, 8, 10}));
}

BOOST_AUTO_TEST_CASE(optional_payloads_are_checked_and_hashed) {
  const TempDir temp;
  CacheShape shape = small_shape();
  shape.list(Payload::lse);
  shape.lse_train_temperature = 2.5;
  shape.hidden = 6;
  shape.head_sha256 = std::string(64, 'a');
  write_cache(temp / "c", shape, {3, 2});
  auto cache = KdCache::open(temp / "c");
  cache.verify(nothing);
  const ShardReader reader(temp / "c" / "shard_00001.h5");
  BOOST_TEST((reader.shape() == shape));
  std::vector<float> values(7);
  reader.read(6, 1, 1,  // lse_t1
              reinterpret_cast<std::byte*>(values.data()));
  BOOST_TEST(values == std::vector<float>(7, 4.25F));

  expect_fault(temp, test::plant_value(0, "lse_t1", 2, 3, std::uint32_t{0x7FC00000}),
               {"lse_t1", "row 2", "position 3"}, shape);
  expect_fault(temp, test::plant_value(0, "hidden", 1, 0, std::uint16_t{0x7C00}), {"hidden", "row 1"}, shape);
}

BOOST_AUTO_TEST_CASE(bad_content_names_shard_dataset_and_row) {
  const TempDir temp;
  expect_fault(temp, test::plant_value(0, "topk_idx", 2, 4 * 3 + 1, std::int32_t{1000}),
               {"shard_00000.h5", "topk_idx", "row 2", "position 3, entry 1", "1000", "[0, 1000)"});
  expect_fault(temp, test::plant_value(0, "topk_idx", 1, 0, std::int32_t{-1}), {"topk_idx", "row 1", "-1"});
  expect_fault(temp, test::plant_value(0, "input_ids", 3, 7, std::int32_t{70000}),
               {"input_ids", "row 3", "position 7"});
  expect_fault(temp, test::plant_value(0, "rand_idx", 1, 2, std::int32_t{1000}), {"rand_idx", "row 1"});
  expect_fault(temp, test::plant_value(0, "topk_logits", 1, 5, std::uint16_t{0x7E00}),
               {"topk_logits", "row 1", "position 1, entry 1", "not finite"});
  expect_fault(temp, test::plant_value(0, "topk_logits", 1, 5, std::uint16_t{0x4500}),
               {"topk_logits", "row 1", "position 1, entry 1", "descending"});
  expect_fault(temp, test::plant_value(0, "topk_logits", 1, 4, std::uint16_t{0xC400}),
               {"row 1", "descending"});
  expect_fault(temp, test::plant_value(0, "attention_mask", 2, 5, std::uint8_t{2}),
               {"attention_mask", "row 2"});
  expect_fault(temp, test::plant_value(0, "attention_mask", 2, 5, std::uint8_t{0}),
               {"attention_mask", "masked"});
}

BOOST_AUTO_TEST_CASE(ties_and_signed_zeros_are_in_order) {
  const TempDir temp;
  const auto plant = [](std::size_t, const DatasetSpec& spec, test::DatasetBytes& bytes) {
    if (spec.name != "topk_logits") return;
    const std::uint16_t values[4] = {0x3C00, 0x0000, 0x8000, 0xBC00};  // 1, 0, -0, -1
    for (std::size_t at = 0; at < bytes.size(); at += sizeof values)
      std::memcpy(bytes.data() + at, values, sizeof values);
  };
  write_cache(temp / "c", small_shape(), {5}, 0, plant);
  KdCache::open(temp / "c").verify(nothing);
}

BOOST_AUTO_TEST_CASE(reading_refuses_what_would_harm_training) {
  const TempDir temp;
  write_cache(temp / "ids", small_shape(), {5}, 0,
              test::plant_value(0, "topk_idx", 2, 9, std::int32_t{5000}));
  write_cache(temp / "nan", small_shape(), {5}, 0,
              test::plant_value(0, "topk_logits", 2, 9, std::uint16_t{0xFE00}));
  KdBatch batch;
  for (const char* name : {"ids", "nan"}) {
    auto cache = KdCache::open(temp / name);
    cache.read(std::vector<std::int64_t>{0, 1, 3}, {}, batch);
    expect_data_error(
        [&] {
          cache.read(std::vector<std::int64_t>{1, 2}, {}, batch);
        },
        {"shard_00000.h5", "row 2", "position 2, entry 1"});
  }
  auto cache = KdCache::open(temp / "ids");
  expect_data_error([&] { cache.read(std::vector<std::int64_t>{5}, {}, batch); }, {"row 5", "5 there"});
}

BOOST_AUTO_TEST_CASE(first_and_last_rows_are_checked_at_the_start) {
  const TempDir temp;
  write_cache(temp / "c", small_shape(), {5, 5}, 0,
              test::plant_value(1, "topk_logits", 4, 27, std::uint16_t{0x4500}));
  expect_data_error([&] { KdCache::open(temp / "c"); }, {"shard_00001.h5", "row 4", "descending"});
}

BOOST_AUTO_TEST_CASE(ids_are_held_against_the_model) {
  const TempDir temp;
  write_cache(temp / "c", small_shape(), {5});
  auto cache = KdCache::open(temp / "c");
  KdBatch batch;
  // Rows 0 to 4 have ids up to 648; files pad vocabularies as they like.
  for (const std::int64_t ids : {649, 1000, 2000}) {
    cache.require_vocabulary(ids);
    for (const std::int64_t row : {0, 4})
      cache.read(std::vector<std::int64_t>{row}, {Payload::negatives}, batch);
  }
  cache.require_vocabulary(648);
  cache.read(std::vector<std::int64_t>{3}, {Payload::negatives}, batch);
  expect_data_error([&] { cache.read(std::vector<std::int64_t>{4}, {Payload::negatives}, batch); },
                    {"row 4", "id 648", "of the model", "1000 ids", "rand_idx"});

  CacheShape silent = small_shape();
  silent.vocab_size = 0;
  write_cache(temp / "silent", silent, {5});
  auto unknown = KdCache::open(temp / "silent");
  unknown.verify(nothing);
  unknown.require_vocabulary(400);
  expect_data_error([&] { unknown.read(std::vector<std::int64_t>{2}, {Payload::negatives}, batch); },
                    {"rand_idx", "[0, 400)"});
}

BOOST_AUTO_TEST_CASE(changed_bytes_break_the_hash) {
  const TempDir temp;
  write_cache(temp / "c", small_shape(), {5});
  const fs::path shard = temp / "c" / "shard_00000.h5";
  std::string bytes = read_text(shard);
  // Row 2 of input_ids starts 14, 15, 16; 15 becomes 47, still a fine id.
  const std::string pattern("\x0e\0\0\0\x0f\0\0\0\x10\0\0\0\x11\0\0\0", 16);
  const std::size_t at = bytes.find(pattern);
  BOOST_REQUIRE(at != std::string::npos);
  bytes[at + 4] ^= 0x20;
  write_file(shard, bytes);
  auto cache = KdCache::open(temp / "c");
  expect_data_error([&] { cache.verify(nothing); }, {"shard_00000.h5", "input_ids", "hash"});
}

BOOST_AUTO_TEST_CASE(truncated_and_foreign_files_are_refused) {
  const TempDir temp;
  write_cache(temp / "c", small_shape(), {50});
  const fs::path shard = temp / "c" / "shard_00000.h5";
  const std::string whole = read_text(shard);
  for (const std::size_t size :
       {whole.size() - 1, whole.size() / 2, std::size_t{600}, std::size_t{10}, std::size_t{0}}) {
    write_file(shard, std::string_view(whole).substr(0, size));
    expect_data_error([&] { KdCache::open(temp / "c"); }, {"shard_00000.h5"});
  }
  write_file(shard, "not HDF5 at all");
  expect_data_error([&] { KdCache::open(temp / "c"); }, {"shard_00000.h5", "cannot open"});
  expect_data_error([&] { KdCache::open(shard); }, {"not an HDF5 file", "expected"});
  fs::remove(shard);
  expect_data_error([&] { KdCache::open(temp / "c"); }, {"shard_00000.h5"});
}

BOOST_AUTO_TEST_CASE(wrong_types_and_shapes_are_refused) {
  const TempDir temp;
  const auto make = [&](const std::string& name, const std::string& dataset, DType type,
                        const std::vector<std::int64_t>& extent) {
    h5::File file = h5::File::create(temp / name);
    for (const DatasetSpec& spec : datasets_of(small_shape())) {
      std::vector<std::int64_t> usual = {2};
      usual.insert(usual.end(), spec.row_shape.begin(), spec.row_shape.end());
      const bool planted = spec.name == dataset;
      if (planted && extent.empty()) continue;
      file.create_dataset(spec.name, planted ? type : spec.dtype(), planted ? extent : usual, 0);
    }
    file.set_text("format", kCacheFormat);
    file.set_integer("version", 1);
    file.set_integer("vocab_size", 1000);
    file.set_integer("all_attended", 1);
    for (const char* text : {"meta", "source", "sha256"}) file.set_text(text, "{}");
    file.close();
    return temp / name;
  };
  const auto refuse = [&](const fs::path& path, const std::vector<std::string>& parts) {
    expect_data_error([&] { KdCache::open(path); }, parts);
  };
  refuse(make("a.h5", "topk_logits", DType::f32, {2, 7, 4}),
         {"topk_logits", "float32[2, 7, 4]", "float16[2, 7, 4]"});
  refuse(make("b.h5", "input_ids", DType::u8, {2, 8}), {"input_ids", "uint8[2, 8]", "int32[2, 8]"});
  refuse(make("c.h5", "topk_logits", DType::f16, {2, 7, 5}),
         {"topk_logits", "float16[2, 7, 5]", "float16[2, 7, 4]"});
  refuse(make("d.h5", "attention_mask", DType::u8, {3, 8}), {"attention_mask", "uint8[3, 8]"});
  refuse(make("e.h5", "topk_idx", DType::i32, {2, 28}), {"topk_idx", "3 dimensions"});
  refuse(make("f.h5", "topk_idx", DType::i32, {2, 8, 4}), {"topk_idx", "8 positions of 8 tokens"});
  refuse(make("g.h5", "topk_logits", DType::f16, {}), {"topk_logits", "missing"});
  refuse(make("h.h5", "input_ids", DType::i32, {0, 8}), {"no samples"});
  refuse(make("i.h5", "rand_idx", DType::i32, {}), {"rand_idx", "missing"});
  refuse(make("j.h5", "", DType::i32, {}), {"hash"});
}

BOOST_AUTO_TEST_CASE(index_and_shards_must_agree) {
  const TempDir temp;
  const auto fresh = [&] {
    fs::remove_all(temp / "c");
    write_cache(temp / "c", small_shape(), {3, 5});
    return temp / "c" / kIndexName;
  };
  const auto refuse = [&](const std::vector<std::string>& parts) {
    expect_data_error([&] { KdCache::open(temp / "c"); }, parts);
  };
  replace_in_file(fresh(), "\"sequences\": 8", "\"sequences\": 9");
  refuse({"index.json", "9 sequences"});
  replace_in_file(fresh(), "\"rows\": 5", "\"rows\": \"5\"");
  refuse({"index.json", "rows"});
  replace_in_file(fresh(), "\"version\": 1", "\"version\": 2");
  refuse({"index.json", "version 2"});
  replace_in_file(fresh(), "anemll_kd_cache", "another");
  refuse({"index.json", "another"});
  replace_in_file(fresh(), "\"topk\": 4", "\"topk\": 5");
  refuse({"shard_00000.h5", "K 4", "K 5"});
  replace_in_file(fresh(), "\"file\": \"shard_00001.h5\"", "\"file\": \"../shard_00001.h5\"");
  refuse({"index.json", "plain file name"});
  replace_in_file(fresh(), "\"shards\"", "\"shard\"");
  refuse({"index.json", "shards"});
  replace_in_file(fresh(), "\"vocab_size\": 1000", "\"vocab_size\": 18446744073709551615");
  refuse({"index.json", "vocab_size"});
  replace_in_file(fresh(), "\"fingerprint\": \"", "\"fingerprint\": \"0");
  refuse({"index.json", "fingerprint"});
  write_file(fresh(), "{");
  refuse({"index.json", "JSON"});

  fresh();  // shards of one folder in the other order, sizes aside
  write_cache(temp / "other", small_shape(), {3, 5}, 0,
              test::plant_value(1, "input_ids", 2, 0, std::int32_t{77}));
  fs::copy_file(temp / "other" / "shard_00001.h5", temp / "c" / "shard_00001.h5",
                fs::copy_options::overwrite_existing);
  refuse({"shard_00001.h5", "another hash"});
  fs::copy_file(temp / "c" / "shard_00000.h5", temp / "c" / "shard_00001.h5",
                fs::copy_options::overwrite_existing);
  refuse({"shard_00001.h5", "3 rows", "5"});
}

BOOST_AUTO_TEST_CASE(paths_that_are_no_cache_say_what_is_expected) {
  const TempDir temp;
  expect_data_error([&] { identify_cache(temp / "nowhere"); }, {"does not exist", "shard_*.pt"});
  expect_data_error([&] { identify_cache(temp.path()); }, {"not a KD cache", "index.json"});
  fs::create_symlink("loop", temp / "loop");  // unreadable for anyone, root included
  expect_data_error([&] { identify_cache(temp / "loop"); }, {"cannot be read"});
  write_file(temp / "text.h5", "text");
  expect_data_error([&] { identify_cache(temp / "text.h5" / "below"); }, {"does not exist"});
  expect_data_error([&] { identify_cache(temp / "text.h5"); }, {"not an HDF5 file"});
  write_cache(temp / "c", small_shape(), {3});
  BOOST_TEST((identify_cache(temp / "c") == CacheKind::hdf5_folder));
  BOOST_TEST((identify_cache(temp / "c" / "shard_00000.h5") == CacheKind::hdf5_file));
  BOOST_TEST((identify_cache(test::golden("nano/cache")) == CacheKind::torch_folder));
  expect_data_error([&] { KdCache::open(test::golden("nano/cache")); }, {"anemll_cache import"});
  // What nobody can take for another folder, as the hub's cache of downloads.
  for (const fs::path& path : {temp / "c", temp / "c" / "shard_00000.h5", test::golden("nano/cache")})
    BOOST_TEST(is_plainly_cache(path), path.string());
  fs::create_directories(temp / "index");
  fs::create_directories(temp / "shards");
  fs::copy_file(test::golden("nano/cache/shard_00000.pt"), temp / "shards" / "shard_00000.pt");
  for (const char* text : {"", "[]", "{}", R"({"format": 1})", R"({"format": "another"})"}) {
    write_file(temp / "index" / "index.json", text);
    BOOST_TEST(!is_plainly_cache(temp / "index"), text);
  }
  for (const fs::path& path :
       {temp / "nowhere", temp.path(), temp / "loop", temp / "text.h5", temp / "shards"})
    BOOST_TEST(!is_plainly_cache(path), path.string());
}

BOOST_AUTO_TEST_CASE(held_out_rows_have_the_sources_that_the_cache_names) {
  const std::string meta =
      R"({"anemll": {"sources": [{"name": "a", "holdout_sequences": 3}, {"name": "b", "holdout_sequences": 0},
          {"name": "c", "holdout_sequences": 2}]}})";
  const std::vector<HoldoutSource> named{{"a", 3}, {"c", 2}};
  BOOST_TEST((holdout_sources(meta, 5) == named));
  const std::vector<HoldoutSource> one{{"", 6}};
  BOOST_TEST((holdout_sources(meta, 6) == one));  // numbers of another cache
  BOOST_TEST((holdout_sources(R"({"anemll": {"sources": [{"name": "a"}]}})", 6) == one));
  BOOST_TEST((holdout_sources(R"({"anemll": {"sources": [{"holdout_sequences": -1}]}})", 6) == one));
  BOOST_TEST((holdout_sources("{}", 6) == one));
  BOOST_TEST((holdout_sources("no JSON", 6) == one));
}

BOOST_AUTO_TEST_SUITE_END()
}  // namespace anemll
