#include "src/teacher/internal/cache_meta.hpp"

#include "anemll/data/kd_cache.hpp"
#include "src/core/build_info.hpp"
#include "src/text/token_samples.hpp"

#include <ctime>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using Json = nlohmann::ordered_json;

/// In one order, whatever order they were given in.
std::string payload_names(PayloadSet payloads) {
  std::string names;
  for (const PayloadRow& row : kd_payloads()) {
    if (row.name.empty() || !payloads.has(row.payload)) continue;
    names += names.empty() ? "" : ",";
    names += row.name;
  }
  return names;
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

/// Pairs of an id and its text, by which a model's tokenizer is held against the cache.
Json samples_json(const Tokenizer& tokenizer) {
  Json pairs = Json::array();
  for (const TokenSample& sample : token_samples(tokenizer))
    pairs.push_back(Json::array({sample.id, sample.text}));
  return pairs;
}

}  // namespace

std::string identity_of(const PrecomputeOptions& o, const std::string& dtype,
                        const std::string& teacher_fingerprint, const TextModel& text,
                        const std::optional<ChatTemplate>& chat) {
  Json out{{"teacher_model", o.teacher},
           {"teacher_fingerprint", teacher_fingerprint},
           {"tokenizer_sha256", text.sha256},
           {"chat_template", chat ? Json(chat->label()) : Json()},
           {"dataset_name", *o.dataset.name},
           {"dataset_config_name", o.dataset.config ? Json(*o.dataset.config) : Json()},
           {"dataset_revision", o.dataset.revision},
           {"dataset_split", o.dataset.split},
           {"dataset_format", choice_name(o.dataset.format)},
           {"dataset_text_field", o.dataset.text_field},
           {"enable_thinking", choice_name(o.enable_thinking)},
           {"shuffle", o.shuffle},
           {"streaming", o.streaming},
           {"shuffle_buffer", o.shuffle_buffer},
           {"seed", o.seed},
           {"max_length", o.max_length},
           {"topk", o.topk},
           {"rand_neg", o.rand_neg},
           {"payload", payload_names(o.payloads)},
           {"train_temperature", o.payloads.has(Payload::lse) ? Json(o.train_temperature) : Json()},
           {"holdout", o.holdout},
           {"num_sequences", o.num_sequences},
           {"batch_size", o.batch_size},
           {"shard_size", o.shard_size},
           {"dtype", dtype},
           {"format", choice_name(o.format)},
           {"compat", choice_name(o.compat)}};
  // Without the option a cache has the identity that it had before there was one.
  if (!o.map.empty()) out["map"] = o.map;
  if (o.cut_corpora) out["cut_corpora"] = true;
  return out.dump();
}

std::string meta_of(const PrecomputeOptions& o, const Plan& plan, const TeacherInputs& teacher,
                    const PackedDataset& read) {
  const Json identity = Json::parse(plan.identity_json);
  const PackedText& packed = read.packed;
  std::vector<std::string> left_out = read.inventory.left_out_lines();
  for (std::string& line : teacher.parts.left_out_lines()) left_out.push_back("teacher: " + std::move(line));
  const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  Json meta = {{"format", kTorchCacheFormat},
               {"teacher_model", o.teacher},
               {"tokenizer", o.teacher},
               {"dataset_name", *o.dataset.name},
               {"dataset_config_name", identity["dataset_config_name"]},
               {"dataset_split", o.dataset.split},
               {"dataset_format", choice_name(o.dataset.format)},
               {"dataset_text_field", o.dataset.text_field},
               {"chat_thinking", choice_name(o.enable_thinking)},
               {"max_length", o.max_length},
               {"topk", o.topk},
               {"top_k", o.topk},
               {"rand_neg", o.rand_neg},
               {"random_negatives", o.rand_neg},
               {"num_sequences", plan.rows},
               {"total_sequences", plan.rows},
               {"vocab_size", plan.shape.vocab_size},
               {"transformers_version", nullptr},
               {"created_utc", utc_now()},
               {"anemll",
                {{"plan", plan.id()},
                 {"tokens_sha256", plan.tokens_sha256},
                 {"version", build_summary()},
                 {"dtype", identity["dtype"]},
                 {"shuffle", o.shuffle},
                 {"seed", o.seed},
                 {"payload", identity["payload"]},
                 {"holdout", o.holdout},
                 {"holdout_sequences", plan.holdout_rows},
                 {"documents", packed.documents},
                 {"holdout_documents", packed.holdout_documents},
                 {"chat_template", identity["chat_template"]},
                 {"teacher_fingerprint", identity["teacher_fingerprint"]},
                 {"teacher_commit", or_null(teacher.at.commit)},
                 {"tokenizer_sha256", identity["tokenizer_sha256"]},
                 {"token_samples", samples_json(teacher.text.tokenizer)},
                 {"dataset_commit", or_null(read.commit)},
                 {"map", o.map},
                 {"bad_records", read.report.bad_records},
                 {"bad_record_examples", read.report.bad_examples},
                 {"left_out", left_out}}}};
  if (read.parts.size() > 1) {
    for (const PackedDataset::Part& part : read.parts)
      meta["anemll"]["sources"].push_back({{"name", part.of.name},
                                           {"share", part.of.share},
                                           {"documents", part.documents},
                                           {"tokens", part.tokens},
                                           {"holdout_sequences", part.holdout_rows}});
  }
  // Names out of a data set need not be UTF-8.
  return meta.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace anemll
