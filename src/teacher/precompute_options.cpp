// The table of anemll_precompute: the only place that spells its options.
#include "anemll/core/log.hpp"
#include "anemll/teacher/precompute.hpp"
#include "anemll/text/chat_template.hpp"
#include "src/comm/watched_ranks.hpp"
#include "src/core/common_options.hpp"
#include "src/datasets/mixture.hpp"
#include "src/hub/hub_options.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace anemll {

OptionTable make_precompute_table(PrecomputeOptions& o) {
  OptionTable table("anemll_precompute",
                    "Runs a teacher over a text dataset and writes the KD cache that anemll_train streams.",
                    "ANEMLL_PRECOMPUTE");  // ANEMLL_CACHE_DIR is the trainer's KD cache, not the hub cache
  table.group("Teacher");
  add_model_option(table, "teacher_model_name_or_path", &o.teacher,
                   "folder of a Hugging Face model, a .gguf file, or org/name on the hub");
  add_revision_option(table, "teacher_revision", &o.teacher_revision, "the teacher");
  table.add_choice("dtype", &o.dtype,
                   "of the matrix products; auto: bf16 if the processor has instructions for it, else fp32");
  add_device_option(table, &o.device);
  add_threads_option(table, &o.threads);
  add_watch_option(table, &o.work_timeout);

  table.group("Text");
  add_dataset_options(table, o.dataset);
  table.require("dataset_name");
  table.add(
      "map", &o.map,
      "FIELD=COLUMN: the column of the data that is this field of the format, where their names differ; any "
      "number");
  table.add_choice(
      "enable_thinking", &o.enable_thinking,
      "chat texts: without thinking blocks, with them, both (two texts), messages without a template, "
      "or all three");
  table.add("chat-template", &o.chat_template,
            strf("use these rules instead of the model's: %s", ChatTemplate::choices().c_str()));
  table.add(
      "template-date", &o.template_date,
      "the day in the line \"Today Date\" of chat templates that have one (\"26 Jul 2024\"); without it "
      "the line is left out, and texts do not depend on the day they are made");
  table.add_flag("no-template", &o.no_template,
                 "join the messages by blank lines instead of a chat template");
  table.add_switch("shuffle", &o.shuffle, "shuffle the records (seeded) before they are packed");
  table.add_flag("streaming", &o.streaming, "read records as they are needed; shuffles in a buffer only");
  table.add("shuffle_buffer", &o.shuffle_buffer, "records of that buffer; 0 keeps the order", 0, 100000000);
  table.add("max-bad-records", &o.max_bad_records,
            "records that cannot be read and are passed over; one more is an error", 0, INT64_MAX);
  add_strict_option(table, &o.strict, "the inputs");
  table.add_flag(
      "cut-corpora", &o.cut_corpora,
      "a plain document of more than 64 KiB is taken as documents of 8 KiB, cut at line ends: one file "
      "of much text can then be held out in part, and takes turns with other data sets");
  table.add_flag("inspect", &o.inspect,
                 "show what would be made (files, roles and keys, text, size, samples) and make nothing");
  table.add("seed", &o.seed, "of shuffle, hold-out and negatives", 0, INT64_MAX);

  table.group("Hub");
  add_hub_cache_option(table, &o.hub_cache);
  table.add_alias("hub-cache", "cache_dir");  // the reference's name, which means the KD cache elsewhere
  add_hub_token_option(table, "hf_token", &o.hub_token);
  add_local_files_option(table, "local_files_only", &o.local_files_only);
  table.add_flag("resume_download", &o.resume_download, "no effect: downloads always resume");

  table.group("Cache");
  table.add("output_dir", &o.output_dir, "folder to make (required without --inspect)");
  table.add("max_length", &o.max_length, "tokens per sequence (L)", 2, 1 << 20);
  table.add("topk", &o.topk, "logits kept per position (K)", 1, 1 << 20);
  table.add("rand_neg", &o.rand_neg, "random negatives per position (R)", 0, 1 << 20);
  table.add("payload", &o.payload,
            "tokens: text alone, no teacher is run; topk, and with commas lse (logsumexp at T=1 and at the "
            "training temperature) and hidden (last hidden states, for exact KL)");
  table.add("train_temperature", &o.train_temperature, "temperature of the training that lse is for", 1e-3,
            1e3);
  table.add("holdout", &o.holdout, "share of the documents kept out of training, for evaluation", 0, 0.5);
  table.add("num_sequences", &o.num_sequences, "sequences to make for training", 1, std::int64_t{1} << 40);
  table.add("batch_size", &o.batch_size,
            "sequences per forward pass of a rank: the unit of work and of resuming", 1, 1 << 16);
  table.add("shard_size", &o.shard_size, "sequences per shard, rounded up to whole batches", 1, 1 << 24);
  table.add_choice("format", &o.format, "HDF5 shards, or the reference's .pt shards");
  table.add_choice(
      "compat", &o.compat,
      "reference: no hold-out, top-k payload, whole batches only, shards of 8 batches or a multiple, "
      "GPT-2 tokenizers without their digit rule");
  table.add_flag("resume", &o.resume, "go on where an earlier run stopped; leaves a finished cache as it is");
  table.add_flag("overwrite", &o.overwrite, "start anew and replace what is there");
  table.group("Weights & Biases");
  table.add(
      "wandb_project", &o.wandb_project,
      "keep an offline run of this project in the folder wandb beside the cache; the last line says how to "
      "upload it (default: none)");
  table.add("wandb_run_name", &o.wandb_run_name, "its name (default: that of the cache)");
  table.add("wandb_entity", &o.wandb_entity, "user or team that it is for (default: whoever uploads it)");
  table.mark_path("output_dir");
  return table;
}

namespace {

/// The only reading of `--payload`: names of kd_payloads() with commas between them.
PayloadSet parse_payloads(const std::string& text) {
  PayloadSet payloads;
  std::string optional;
  for (const PayloadRow& row : kd_payloads()) {
    if (row.name.empty() || row.payload == Payload::topk || row.payload == Payload::tokens) continue;
    optional += optional.empty() ? "," : " and ,";
    optional += row.name;
  }
  const std::string form = "tokens, or topk with " + optional + " as wanted";
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view part = rest.substr(0, comma);
    const auto rows = kd_payloads();
    const auto found =
        std::find_if(rows.begin(), rows.end(), [&](const PayloadRow& row) { return row.name == part; });
    if (part.empty() || found == rows.end())
      throw_usage("unknown payload: " + std::string(part), "--payload", form);
    payloads.add(found->payload);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  if (payloads == PayloadSet{Payload::tokens}) return payloads;
  if (payloads.has(Payload::tokens))
    throw_usage("tokens are part of every cache, and the word stands for nothing else beside them",
                "--payload " + text, form);
  if (!payloads.has(Payload::topk))
    throw_usage("topk is part of all that a teacher says", "--payload " + text, form);
  return payloads;
}

}  // namespace

void settle_precompute_options(PrecomputeOptions& o, const OptionTable& given) {
  o.payloads = parse_payloads(o.payload);
  std::sort(o.map.begin(), o.map.end());  // their order decides nothing, and resumed runs compare them
  (void)field_columns(o.map);
  mixture_of(o.dataset);  // its errors come before any work
  o.thinking_asked = given.given("enable_thinking");
  if (o.output_dir.empty() && !o.inspect)
    throw_usage("this option is required", "--output_dir", "folder to make; with --inspect nothing is made");
  if (o.compat == Compat::reference && o.cut_corpora)
    throw_usage("the reference cuts no document", "--cut-corpora, --compat reference", "drop one of them");
  if (o.payloads == PayloadSet{Payload::tokens}) {
    if (o.rand_neg > 0)
      throw_usage("negatives go with a teacher's logits", "--rand_neg, --payload tokens", "drop one of them");
    o.topk = 0;
  }
  const bool plain_payload = o.compat == Compat::reference || o.format == ShardFormat::pt;
  const std::string why = o.compat == Compat::reference ? "--compat reference" : "--format pt";
  if (plain_payload) {
    if (!given.given("payload")) {
      o.payload = "topk";
      o.payloads = {Payload::topk};
    }
    if (!given.given("holdout")) o.holdout = 0;
    if (o.payloads != PayloadSet{Payload::topk} || o.holdout > 0) {
      throw_usage("the reference's shards hold top-k logits and negatives only", why,
                  "leave --payload and --holdout out, or write HDF5 shards without --compat");
    }
  }
  if (o.resume && o.overwrite) {
    throw_usage("--resume and --overwrite contradict each other", "command line", "give one of them");
  }
  if (o.no_template && o.chat_template) {
    throw_usage("--no-template and --chat-template contradict each other", "command line",
                "give one of them");
  }
  if (o.shuffle_buffer > 0 && !o.streaming) {
    throw_usage("--shuffle_buffer is for --streaming", "--shuffle_buffer",
                "leave it out: without --streaming all records are shuffled");
  }
}

}  // namespace anemll
