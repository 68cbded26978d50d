// The memory plan: what it counts, when, and how it grows; the batch that fits a host.
#include "anemll/model/model_files.hpp"
#include "src/train/internal/memory_fit.hpp"
#include "src/train/internal/memory_plan.hpp"
#include "tests/unit/train/payload_cache.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

/// Facts of the nano model and a cache of 40 rows of 64 tokens.
struct Case {
  TrainOptions options = test::nano_options("x", "y");
  const Architecture& model = test::nano_files().architecture;
  KdCacheInfo cache;
  SourcePlan source = plan_source(options, model, std::nullopt);

  Case() {
    cache.sequences = 40;
    cache.length = 64;
    cache.positions = 63;
    cache.topk = 16;
  }
  MemoryFacts facts(int ranks = 1, at::ScalarType compute = at::kFloat) const {
    return {options, model, cache, source, ranks, compute};
  }
  MemoryPlan plan(std::int64_t batch, int ranks = 1, bool root = true) const {
    return plan_memory(facts(ranks), batch, root);
  }
};

std::optional<MemoryItem> item(const MemoryPlan& plan, const std::string& name) {
  const auto found = std::ranges::find(plan.items, name, &MemoryItem::name);
  return found == plan.items.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(memory)

BOOST_AUTO_TEST_CASE(a_plan_is_what_lasts_and_the_largest_time) {
  MemoryPlan plan;
  plan.items = {{"a", 10, MemoryTime::always},
                {"b", 5, MemoryTime::step},
                {"c", 3, MemoryTime::step},
                {"d", 7, MemoryTime::evaluation},
                {"e", 20, MemoryTime::inspection}};
  BOOST_TEST(plan.bytes_at(MemoryTime::step) == 18);
  BOOST_TEST(plan.bytes_at(MemoryTime::saving) == 10);
  BOOST_TEST((plan.peak() == MemoryTime::inspection));
  BOOST_TEST(plan.total_bytes() == 30);
  BOOST_TEST(plan.text().find("total, when layers are looked at") != std::string::npos, plan.text());
}

BOOST_AUTO_TEST_CASE(it_grows_with_the_rows_and_stops_where_the_cache_does) {
  const Case c;
  const std::int64_t one = c.plan(1).bytes_at(MemoryTime::step);
  const std::int64_t nine = c.plan(9).bytes_at(MemoryTime::step);
  const std::int64_t seventeen = c.plan(17).bytes_at(MemoryTime::step);
  BOOST_TEST(nine > one);
  BOOST_TEST(seventeen - nine == c.plan(25).bytes_at(MemoryTime::step) - seventeen);  // a line
  BOOST_TEST(c.plan(40).total_bytes() == c.plan(4000).total_bytes());
  BOOST_TEST(c.plan(8, 2).tokens == c.plan(4).tokens);  // a rank's share
  BOOST_TEST(c.plan(9, 2).tokens == c.plan(5).tokens);
}

BOOST_AUTO_TEST_CASE(what_a_layer_keeps_is_counted_by_hand) {
  Case c;
  // Qwen3 nano: hidden 64, MLP 96, 4 heads and 2 kv heads of 32, norms on both, 2 layers; fp32.
  const std::int64_t floats = 2 * 64 + 4 + 4 * 64 + 2 * 128 + 2 * 64 + (128 + 64) + 3 * 96;
  const std::int64_t tokens = 4 * 64;
  BOOST_TEST(item(c.plan(4), "activations kept for backward")->bytes == tokens * 2 * floats * 4);
  c.options.gradient_checkpointing = true;  // the stream before each layer, and one layer
  BOOST_TEST(item(c.plan(4), "activations kept for backward")->bytes == tokens * (2 * 64 * 8 + floats * 4));
}

BOOST_AUTO_TEST_CASE(options_change_what_is_held) {
  Case c;
  const std::int64_t trained = c.source.trained_values;
  BOOST_TEST(item(c.plan(4, 2), "gradients and AdamW moments (fp32)")->bytes == trained * 12);
  c.options.shard_optimizer = true;
  BOOST_TEST(item(c.plan(4, 2), "gradients and AdamW moments (fp32)")->bytes == trained * 8);
  BOOST_TEST(item(c.plan(4, 2, true), "moments of all ranks")->bytes == trained * 8);
  BOOST_TEST(!item(c.plan(4, 2, false), "moments of all ranks"));  // rank 0 alone gathers them

  BOOST_TEST(c.plan(4).bytes_at(MemoryTime::inspection) == c.plan(4).bytes_at(MemoryTime::always));
  c.options.inspect_steps = 1;
  BOOST_TEST((item(c.plan(4), "streams of model and student")->when == MemoryTime::inspection));
  BOOST_TEST(item(c.plan(4), "a second embedding, as stored")->bytes ==
             c.model.vocab_size * c.model.hidden_size * 2);
  BOOST_TEST(!item(c.plan(4, 2, false), "streams of model and student"));

  BOOST_TEST(!item(c.plan(4), "weight gradients over micro-steps"));
  c.options.accumulation_steps = 2;
  BOOST_TEST(item(c.plan(4), "weight gradients over micro-steps")->bytes > 0);

  BOOST_TEST(!item(c.plan(4), "head in fp32"));
  BOOST_TEST(item(plan_memory(c.facts(1, at::kBFloat16), 4, true), "head in fp32")->bytes ==
             c.model.vocab_size * c.model.hidden_size * 4);
  c.options.eval_samples = 0;
  BOOST_TEST(!item(plan_memory(c.facts(1, at::kBFloat16), 4, false), "rows of evaluations"));

  const std::int64_t materialised = item(c.plan(4), "activations kept for backward")->bytes;
  c.options.forward = ForwardMode::loop;
  BOOST_TEST(item(c.plan(4), "activations kept for backward")->bytes > 2 * materialised);
}

BOOST_AUTO_TEST_CASE(the_largest_batch_fits_and_the_next_does_not) {
  const Case c;
  for (const int ranks : {1, 2, 3}) {
    const MemoryFacts facts = c.facts(ranks);
    HostRoom room;
    room.ranks = ranks;
    room.root = true;
    room.bytes = host_bytes(facts, 7 * ranks, room) * 10 / 9 + 9;
    const std::int64_t largest = largest_batch(facts, room);
    BOOST_TEST(largest == 7 * ranks);
    BOOST_TEST(host_bytes(facts, largest, room) * 10 <= room.bytes * 9);
    BOOST_TEST(host_bytes(facts, largest + ranks, room) * 10 > room.bytes * 9);
    room.bytes = host_bytes(facts, ranks, room);  // nothing to spare
    BOOST_TEST(largest_batch(facts, room) == 0);
    room.bytes = host_bytes(facts, ranks, room) * 100;
    BOOST_TEST(largest_batch(facts, room) == 40 / ranks * ranks);  // the cache has no more rows
    room.bytes = 0;
    BOOST_TEST(largest_batch(facts, room) == 40 / ranks * ranks);  // nothing is known
  }
}

BOOST_AUTO_TEST_CASE(all_ranks_of_a_host_count_and_rank_0_may_need_more) {
  Case c;
  c.options.inspect_steps = 1;
  c.cache.length = 4096;  // the streams of an inspection are larger than a step of one row
  c.cache.positions = 4095;
  const MemoryFacts facts = c.facts(4);
  HostRoom others;
  others.ranks = 2;
  HostRoom first = others;
  first.root = true;
  const std::int64_t plain = plan_memory(facts, 4, false).total_bytes();
  BOOST_TEST(host_bytes(facts, 4, others) == 2 * plain);
  BOOST_TEST(host_bytes(facts, 4, first) == plan_memory(facts, 4, true).total_bytes() + plain);
  BOOST_TEST(host_bytes(facts, 4, first) > host_bytes(facts, 4, others));
}

BOOST_AUTO_TEST_SUITE_END()
