#include "src/teacher/internal/plan.hpp"

#include "anemll/core/error.hpp"
#include "src/core/hash.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using Json = nlohmann::ordered_json;
constexpr const char* kFormat = "anemll_precompute_plan";
constexpr std::int64_t kVersion = 1;

void add_shards(CachePart part, std::int64_t first, std::int64_t rows, const Plan& plan,
                std::vector<ShardPlan>& shards) {
  const char* stem = part == CachePart::training ? "shard" : "holdout";
  for (std::int64_t at = 0, number = 0; at < rows; at += plan.shard_rows, ++number) {
    ShardPlan shard{shard_name(number, ".h5", stem), part, std::min(plan.shard_rows, rows - at), {}};
    for (std::int64_t row = 0; row < shard.rows; row += plan.batch_size) {
      shard.units.push_back({first + at + row, std::min(plan.batch_size, shard.rows - row)});
    }
    shards.push_back(std::move(shard));
  }
}

}  // namespace

std::vector<ShardPlan> Plan::shards() const {
  std::vector<ShardPlan> list;
  add_shards(CachePart::training, 0, rows, *this, list);
  add_shards(CachePart::holdout, rows, holdout_rows, *this, list);
  return list;
}

std::string plan_id(const std::string& identity_json) {
  return sha256_hex(Json::parse(identity_json).dump());
}

std::string Plan::id() const {
  return plan_id(identity_json);
}

std::string write_plan(const Plan& plan) {
  const CacheShape& shape = plan.shape;
  Json root = {{"format", kFormat},
               {"version", kVersion},
               {"identity", Json::parse(plan.identity_json)},
               {"meta", Json::parse(plan.meta_json)},
               {"tokens_sha256", plan.tokens_sha256},
               {"rows", plan.rows},
               {"holdout_rows", plan.holdout_rows},
               {"batch_size", plan.batch_size},
               {"shard_rows", plan.shard_rows},
               {"threads", plan.threads},
               {"replace", plan.replace},
               {"shape",
                {{"length", shape.length},
                 {"topk", shape.topk},
                 {"rand_neg", shape.rand_neg},
                 {"vocab_size", shape.vocab_size},
                 {"lse", shape.payloads().has(Payload::lse)},
                 {"train_temperature", shape.lse_train_temperature},
                 {"hidden", shape.hidden},
                 {"head_sha256", shape.head_sha256}}}};
  return root.dump(1) + '\n';
}

Plan parse_plan(std::string_view text, const std::filesystem::path& where) {
  try {
    const Json root = Json::parse(text);
    if (root.at("format") != kFormat || root.at("version") != kVersion)
      throw std::runtime_error("not a plan");
    Plan plan;
    plan.identity_json = root.at("identity").dump();
    plan.meta_json = root.at("meta").dump();
    plan.tokens_sha256 = root.at("tokens_sha256").get<std::string>();
    plan.rows = root.at("rows").get<std::int64_t>();
    plan.holdout_rows = root.at("holdout_rows").get<std::int64_t>();
    plan.batch_size = root.at("batch_size").get<std::int64_t>();
    plan.shard_rows = root.at("shard_rows").get<std::int64_t>();
    plan.threads = root.at("threads").get<std::int64_t>();
    plan.replace = root.at("replace").get<bool>();
    const Json& from = root.at("shape");
    CacheShape& shape = plan.shape;
    shape.length = from.at("length").get<std::int64_t>();
    shape.positions = shape.length - 1;
    shape.topk = from.at("topk").get<std::int64_t>();
    shape.rand_neg = from.at("rand_neg").get<std::int64_t>();
    shape.vocab_size = from.at("vocab_size").get<std::int64_t>();
    if (from.at("lse").get<bool>()) shape.list(Payload::lse);
    shape.lse_train_temperature = from.at("train_temperature").get<double>();
    shape.hidden = from.at("hidden").get<std::int64_t>();
    shape.head_sha256 = from.at("head_sha256").get<std::string>();
    const bool sane = plan.rows > 0 && plan.holdout_rows >= 0 && plan.batch_size > 0 && plan.shard_rows > 0 &&
                      plan.shard_rows % plan.batch_size == 0 && shape.length > 1 && shape.topk >= 0 &&
                      shape.rand_neg >= 0 && shape.hidden >= 0;
    if (!sane) throw std::runtime_error("sizes that make no sense");
    return plan;
  } catch (const std::exception& e) {
    throw_data(std::string("cannot read the plan of an earlier run: ") + e.what(), where.string(),
               "start anew with --overwrite");
  }
}

void require_same_identity(const std::string& made, const std::string& wanted, const std::string& earlier,
                           const std::filesystem::path& where) {
  const auto teacher = [](const Json& identity) { return identity.value("teacher_fingerprint", Json()); };
  const Json was = Json::parse(made);
  Json is = Json::parse(wanted);
  if (!earlier.empty()) {
    Json as_earlier = Json::parse(earlier);
    if (teacher(as_earlier) == teacher(was)) is = std::move(as_earlier);
  }
  std::string differences;
  for (const auto& [key, value] : was.items())
    if (!is.contains(key)) is[key] = Json();  // an option that this run has not
  for (const auto& [key, value] : is.items()) {
    const Json before = was.contains(key) ? was[key] : Json();
    if (before == value) continue;
    differences += (differences.empty() ? "" : "; ") + key + " was " + before.dump() + ", is " + value.dump();
  }
  if (differences.empty()) return;
  throw_usage("the run to resume was started otherwise: " + differences, where.string(),
              "give the same options, or start anew with --overwrite");
}

}  // namespace anemll
