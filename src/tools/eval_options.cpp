#include "src/tools/eval_options.hpp"

#include "anemll/core/error.hpp"
#include "anemll/datasets/dataset.hpp"
#include "src/comm/watched_ranks.hpp"
#include "src/core/result_files.hpp"

#include <limits>

namespace anemll {

OptionTable make_eval_table(EvalOptions& o) {
  OptionTable table("anemll_eval",
                    "How good models are, side by side: KL to a teacher, perplexity, questions.");
  table.group("Models");
  table.add_positional("MODEL", &o.models,
                       "V2 or V1 checkpoint (.pt), a folder with one, plain weights (folder, .gguf file, or "
                       "org/name on the hub); any number",
                       true);
  table.add("teacher", &o.teacher,
            "what all are held against, named as a MODEL (default: the model of the first checkpoint)");
  table.add_flag("no-teacher", &o.no_teacher, "likelihoods alone");
  add_model_flags(table, o.model, "config.json beside each checkpoint");
  table.add("tokenizer", &o.tokenizer,
            "the model whose tokenizer is used (default: the teacher's, else the first)");
  table.group("Texts");
  table.add("text", &o.texts, "UTF-8 file, which is one text; may be given several times");
  table.add(
      "jsonl", &o.records,
      "data set (file, folder or pattern) whose documents are texts of their own, or NAME[=FORMAT]:SHARE "
      "with commas between several, which share --chunks; may be given several times");
  table.add_choice("dataset-format", &o.text.format, "what the records of --jsonl look like");
  table.add("text-field", &o.text.text_field, "field of the text in plain records");
  table.add_alias("text-field", "dataset_text_field");
  table.add(
      "map", &o.text.map,
      "FIELD=COLUMN: the column of --jsonl that is this field of its format; may be given several times");
  table.add("max-bad-records", &o.text.max_bad_records,
            "records of each --jsonl that cannot be parsed and are passed over; the first of them are told",
            0, std::numeric_limits<std::int64_t>::max());
  table.add(
      "template-date", &o.text.template_date,
      "the day in the line \"Today Date\" of chat templates that have one (\"26 Jul 2024\"); without it "
      "the line is left out");
  table.add("cache-dir", &o.caches, "KD cache whose sequences are the texts; may be given several times");
  table.add_choice("cache-part", &o.cache_part,
                   "which sequences of --cache-dir; of those held out, --chunks of each data set");
  table.add("work-dir", &o.work_dir, "where .pt shards of a cache are imported once");
  table.add(
      "choices", &o.choices,
      ".jsonl file of multiple-choice questions: {\"question\": ..., \"choices\": [...], \"answer\": 0}");
  table.add("chunks", &o.text.chunks, "chunks of each text, sequences of each cache; 0: all", 0,
            std::numeric_limits<std::int32_t>::max());
  table.add("questions", &o.questions, "how many of --choices, from the start; 0: all", 0,
            std::numeric_limits<std::int32_t>::max());
  table.group("Protocol");
  table.add_choice("windows", &o.text.protocol.kind,
                   "halves: disjoint chunks whose second half counts; sliding: as the reference's "
                   "measure_perplexity; batched: as its batches, disjoint chunks that count whole");
  table.add("context", &o.text.protocol.context, "tokens of a chunk", 4, 1 << 20);
  table.add("stride", &o.text.protocol.stride,
            "tokens between two ends of sliding windows; 0: half of the context", 0, 1 << 20);
  table.add("resamples", &o.bootstrap.resamples, "of the bootstrap that gives the 95% intervals", 1, 1 << 20);
  table.add("seed", &o.seed, "of the bootstrap", 0, std::numeric_limits<std::int64_t>::max());
  table.group("Output");
  table.add_flag("parts", &o.parts, "figures by source, by position and by kind of token too");
  table.add_flag("json", &o.json, "one JSON object with all figures");
  table.add_flag("markdown", &o.markdown, "tables of Markdown");
  table.add(
      "output", &o.outputs,
      "file for the result in place of the terminal: .json, .md, or tables; may be given several times");
  add_overwrite_option(table, &o.overwrite);
  table.group("Machine");
  add_threads_option(table, &o.threads);
  add_watch_option(table, &o.work_timeout);
  for (const char* path : {"text", "jsonl", "cache-dir", "work-dir", "choices", "output"})
    table.mark_path(path);
  return table;
}

void check_eval_options(const EvalOptions& o) {
  if (!o.has_text() && !o.choices)
    throw_usage("there is nothing to score", "--text, --jsonl, --cache-dir, --choices",
                "give a text, for example --text wiki.test.raw");
  if (o.teacher && o.no_teacher)
    throw_usage("a teacher is named and not wanted", "--teacher, --no-teacher", "drop one of both");
  (void)field_columns(o.text.map);
  if (o.json && o.markdown)
    throw_usage("the result is one of both", "--json, --markdown", "drop one of both");
  if ((o.json || o.markdown) && !o.outputs.empty())
    throw_usage("the ending of a file says its form", o.json ? "--json" : "--markdown",
                "drop it, or leave --output out");
  const WindowProtocol& windows = o.text.protocol;
  if (windows.kind == WindowKind::sliding && windows.stride > windows.context)
    throw_usage("a stride of " + std::to_string(windows.stride) + " leaves tokens out of windows of " +
                    std::to_string(windows.context),
                "--stride", "give at most the --context");
}

std::vector<OptionEffect<EvalOptions>> eval_option_effects() {
  const auto no_text = [](const EvalOptions& o) { return !o.has_windows(); };
  const auto no_records = [](const EvalOptions& o) { return o.records.empty(); };
  return {
      {"windows", "without --text or --jsonl", no_text},
      {"context", "without --text or --jsonl: sequences of a cache are as long as they are", no_text},
      {"stride", "without --windows sliding",
       [](const EvalOptions& o) { return o.text.protocol.kind != WindowKind::sliding; }},
      {"dataset-format", "without --jsonl", no_records},
      {"text-field", "without --jsonl", no_records},
      {"map", "without --jsonl", no_records},
      {"max-bad-records", "without --jsonl", no_records},
      {"template-date", "without --jsonl", no_records},
      {"text-field", "with another format than plain",
       [](const EvalOptions& o) { return o.text.format != RecordFormat::plain; }},
      {"cache-part", "without --cache-dir", [](const EvalOptions& o) { return o.caches.empty(); }},
      {"work-dir", "without --cache-dir", [](const EvalOptions& o) { return o.caches.empty(); }},
      {"teacher", "without a text: questions have no teacher",
       [](const EvalOptions& o) { return !o.has_text(); }},
      {"chunks", "without a text", [](const EvalOptions& o) { return !o.has_text(); }},
      {"questions", "without --choices", [](const EvalOptions& o) { return !o.choices; }},
      {"parts", "without a text", [](const EvalOptions& o) { return !o.has_text(); }},
      {"parts", "with --json, which has them", [](const EvalOptions& o) { return o.json; }},
      {"overwrite", "without --output", [](const EvalOptions& o) { return o.outputs.empty(); }},
  };
}

}  // namespace anemll
