// The cut of rows into shards and micro-batches, the plan's file, and the files of finished micro-batches.
#include "src/teacher/internal/plan.hpp"

#include "anemll/core/error.hpp"
#include "src/teacher/internal/assemble.hpp"
#include "src/teacher/internal/unit_store.hpp"
#include "tests/support/file_limit.hpp"
#include "tests/support/made_up_column.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

namespace fs = std::filesystem;

Plan small_plan() {
  Plan plan;
  plan.identity_json = R"({"seed":1,"topk":2})";
  plan.tokens_sha256 = std::string(64, 'b');
  plan.shape.length = 4;
  plan.shape.positions = 3;
  plan.shape.topk = 2;
  plan.shape.vocab_size = 100;
  plan.shape.list(Payload::lse);
  plan.shape.lse_train_temperature = 2.0;
  plan.rows = 23;
  plan.holdout_rows = 5;
  plan.batch_size = 4;
  plan.shard_rows = 12;
  return plan;
}

TeacherPayload payload_of(const Plan& plan, const Unit& unit) {
  TeacherPayload payload;
  payload.rows = unit.rows;
  const std::int64_t n = unit.rows * plan.shape.positions;
  std::ranges::fill(payload.extend(kd::topk_idx, 2 * n), static_cast<std::int32_t>(unit.first));
  std::ranges::fill(payload.extend(kd::topk_logits, 2 * n), std::uint16_t{0x3C00});
  std::ranges::fill(payload.extend(kd::lse_t1, n), 1.5F);
  std::ranges::fill(payload.extend(kd::lse_train, n), 2.5F);
  return payload;
}

std::string error_of(const auto& body) {
  try {
    body();
  } catch (const Error& e) {
    return std::string(e.what()) + " | " + e.where() + " | " + e.hint();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(teacher_plan)

BOOST_AUTO_TEST_CASE(rows_are_cut_into_shards_and_units) {
  const std::vector<ShardPlan> shards = small_plan().shards();
  BOOST_REQUIRE_EQUAL(shards.size(), 3U);
  BOOST_TEST(shards[0].file == "shard_00000.h5");
  BOOST_TEST(shards[1].rows == 11);
  BOOST_TEST(shards[1].units.back().first == 20);
  BOOST_TEST(shards[1].units.back().rows == 3);
  BOOST_TEST(shards[2].file == "holdout_00000.h5");
  BOOST_TEST((shards[2].part == CachePart::holdout));
  BOOST_TEST(shards[2].units.front().first == 23);  // after the training rows of the token file
  std::int64_t rows = 0;
  for (const ShardPlan& shard : shards) {
    for (const Unit& unit : shard.units) {
      BOOST_TEST(unit.first == rows);
      rows += unit.rows;
    }
  }
  BOOST_TEST(rows == 28);
}

BOOST_AUTO_TEST_CASE(a_plan_survives_its_file) {
  const Plan plan = small_plan();
  const Plan back = parse_plan(write_plan(plan), "plan.json");
  BOOST_TEST(write_plan(back) == write_plan(plan));
  BOOST_TEST((back.shape == plan.shape));
  BOOST_TEST(back.id() == plan.id());
  std::string text = write_plan(plan);
  BOOST_TEST(error_of([&] { parse_plan(text.substr(0, 100), "plan.json"); }).find("--overwrite") !=
             std::string::npos);
  text.replace(text.find("\"shard_rows\": 12"), 16, "\"shard_rows\": 13");
  BOOST_TEST(error_of([&] { parse_plan(text, "plan.json"); }).find("make no sense") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(another_identity_names_the_difference) {
  require_same_identity(R"({"seed":1})", R"({"seed":1})", "", "x");
  // What a run has and the other has not is a difference both ways.
  for (const auto& [made, wanted] :
       {std::pair(R"({"map":["a=b"]})", "{}"), std::pair("{}", R"({"map":["a=b"]})")}) {
    const std::string text = error_of([&] { require_same_identity(made, wanted, "", "out"); });
    BOOST_TEST(text.find("map was ") != std::string::npos, text);
  }
  const std::string error =
      error_of([] { require_same_identity(R"({"seed":1,"topk":2})", R"({"seed":3,"topk":2})", "", "out"); });
  BOOST_TEST(error.find("seed was 1, is 3") != std::string::npos, error);
  BOOST_TEST(error.find("topk") == std::string::npos, error);
}

BOOST_AUTO_TEST_CASE(a_unit_is_whole_or_does_not_count) {
  const test::TempDir temp;
  const Plan plan = small_plan();
  const UnitStore store(temp.path(), plan);
  const Unit unit{8, 4};
  BOOST_TEST(!store.has(unit));
  store.write(unit, payload_of(plan, unit));
  BOOST_TEST(store.has(unit));
  const auto back = store.read(unit);
  BOOST_REQUIRE(back.has_value());
  const TeacherPayload made = payload_of(plan, unit);
  BOOST_TEST(back->arrays().size() == 4U);
  for (const ColumnArrays::Array& array : made.arrays())
    BOOST_TEST(std::ranges::equal(back->bytes(array.name), array.bytes), array.name);

  fs::path file;
  for (const auto& entry : fs::directory_iterator(temp.path())) file = entry.path();
  const std::string good = test::read_all(file);
  const auto put = [&](const std::string& text) { std::ofstream(file, std::ios::binary) << text; };
  for (const std::size_t at : {std::size_t{3}, good.size() / 2, good.size() - 1}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    put(bad);
    BOOST_TEST(!store.read(unit).has_value(), "changed byte " << at);
  }
  put(good.substr(0, good.size() - 1));
  BOOST_TEST(!store.has(unit));
  put(good);
  BOOST_TEST(store.read(unit).has_value());
  Plan other = plan;
  other.identity_json = R"({"seed":2,"topk":2})";
  BOOST_TEST(!UnitStore(temp.path(), other).read(unit).has_value());
  store.remove(unit);
  BOOST_TEST(!store.has(unit));
}

// What the teacher says in a column that no line of src knows comes into the shard.
BOOST_AUTO_TEST_CASE(a_new_column_goes_through_units_into_shards) {
  const test::TempDir temp;
  Plan plan = small_plan();
  plan.shape.columns = test::with_margin();
  plan.shape.list(Payload::lse);
  plan.rows = 4;
  plan.holdout_rows = 0;
  const UnitStore store(temp.path(), plan);
  const Unit unit{0, 4};
  TeacherPayload payload = payload_of(plan, unit);
  BOOST_TEST(error_of([&] { store.write(unit, payload); }).find("another size") != std::string::npos);
  std::ranges::fill(payload.extend(test::kMargin, 4 * plan.shape.positions * plan.shape.topk), 0.5F);
  store.write(unit, payload);

  std::vector<std::int32_t> tokens(16);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<std::int32_t>(i);
  const fs::path cache = temp / "cache";
  fs::create_directories(cache);
  const ShardPlan shard = plan.shards().front();
  BOOST_TEST(assemble_shard(plan, shard, store, tokens, cache).empty());
  BOOST_TEST(shard_is_made(plan, shard, cache));
  write_cache_index(plan, cache);
  KdBatch batch;
  KdCache::open(cache, CachePart::training, test::with_margin())
      .read(std::vector<std::int64_t>{3}, {Payload::lse}, batch);
  BOOST_TEST(batch[kd::input_ids][0] == 12);
  BOOST_TEST(batch[kd::topk_idx].size() == batch[test::kMargin].size());
  BOOST_TEST(batch[test::kMargin].back() == 0.5F);
  BOOST_TEST(batch[kd::lse_train][0] == 2.5F);
}

BOOST_AUTO_TEST_CASE(a_full_disk_leaves_no_unit) {
  const test::TempDir temp;
  const Plan plan = small_plan();
  const UnitStore store(temp.path(), plan);
  const Unit unit{0, 4};
  {
    const test::FileLimit full(100);
    const std::string error = error_of([&] { store.write(unit, payload_of(plan, unit)); });
    BOOST_TEST(error.find("--resume") != std::string::npos, error);
  }
  BOOST_TEST(fs::is_empty(temp.path()));
  store.write(unit, payload_of(plan, unit));
  BOOST_TEST(store.read(unit).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
