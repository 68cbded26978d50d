#include "src/tools/infer_options.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/text/chat_template.hpp"
#include "src/comm/watched_ranks.hpp"

#include <limits>

namespace anemll {

OptionTable make_infer_table(InferOptions& o) {
  OptionTable table("anemll_infer", "Answers of a quantised or a plain model, as they are written.");
  table.group("Model");
  table.add_positional("CHECKPOINT", &o.checkpoint,
                       "V2 or V1 checkpoint (.pt) or a folder with one, a folder or .gguf file with plain "
                       "weights; without it the model of --model-id",
                       false);
  add_model_flags(table, o.model, "config.json beside the checkpoint");
  table.add_choice("version", &o.version,
                   "layers of the checkpoint; without a value: the facts of this build are printed");
  table.add("lut-bits", &o.numbers.lut_bits, "bits of MLP linears; the checkpoint's shapes win", 1, 8);
  table.add("attn-lut-bits", &o.numbers.attn_lut_bits,
            "bits of attention linears; the checkpoint's shapes win", 1, 8);
  table.add("scale-rank", &o.numbers.scale_rank, "scale rank of MLP linears; the checkpoint's shapes win", 1,
            4096);
  table.add("attn-scale-rank", &o.numbers.attn_scale_rank,
            "scale rank of attention linears; the checkpoint's shapes win", 1, 4096);
  table.group("Text");
  table.add("prompt", &o.prompt, "what to answer; with --interactive the first turn");
  table.add_flag("interactive", &o.interactive, "a dialogue; /help lists its commands");
  table.add("system", &o.system, "the system message");
  table.add_flag("no-thinking", &o.no_thinking, "switch off the thinking mode of the chat template");
  table.add_flag("no-template", &o.no_template,
                 "the prompt is continued as it is; in a dialogue each line is a text of its own");
  table.add("chat-template", &o.chat_template,
            strf("rules in place of the model's own template: %s", ChatTemplate::choices().c_str()));
  table.add(
      "template-date", &o.template_date,
      "the day in the line \"Today Date\" of chat templates that have one (\"26 Jul 2024\"); without it "
      "the line is left out");
  table.group("Many prompts");
  table.add(
      "batch", &o.batch,
      "JSON lines with a \"prompt\" or \"messages\" each (and \"system\"); any number of ranks shares them");
  table.add("out", &o.out, "their answers as JSON lines; a second start goes on from what is written there");
  table.add("batch-size", &o.batch_size, "prompts of equal length that are answered together", 1, 1024);
  table.group("Sampling");
  table.add("max-tokens", &o.max_tokens, "tokens of an answer at most", 1,
            std::numeric_limits<std::int32_t>::max());
  table.add("temperature", &o.temperature, "divides the logits; 0: the likeliest token is taken", 0, 100);
  table.add("repetition-penalty", &o.repetition_penalty,
            "divides the logits of tokens that were there (negative ones are multiplied); 1: none", 1e-3,
            1e3);
  table.add("top-k", &o.top_k, "choose among so many tokens; 0: all (default: generation_config.json, 50)", 0,
            1 << 30);
  table.add("top-p", &o.top_p,
            "choose among the likeliest with this share (default: generation_config.json, 1)", 0, 1);
  table.add_flag(
      "greedy", &o.greedy,
      "the likeliest token is taken, after --repetition-penalty (1: as transformers does without one)");
  table.add_flag("sample", &o.sample, "tokens are drawn, which is done anyway");
  table.add("seed", &o.seed, "of the draws (default: another one each time, which is told)", 0,
            std::numeric_limits<std::int64_t>::max());
  table.group("Machine");
  table.add_choice("precision", &o.precision, "of matrix products; auto: bf16 on a GPU, else fp32");
  table.add_choice(
      "weight-format", &o.weight_format,
      "on a CPU in fp32: dense (16 bits a weight), packed (codes of a V2 checkpoint, scales formed "
      "on the way: for ranks up to 8), or auto: the faster by half a second of measuring");
  add_threads_option(table, &o.threads);
  add_watch_option(table, &o.work_timeout);
  table.add_flag("factored", &o.factored,
                 "linears rank by rank in FP16, as the Neural Engine computes them; counts values beyond "
                 "65504 and sums that became infinite");
  table.add_flag(
      "check", &o.check,
      "compare the first prompt with the model's own unquantised weights, which are loaded for that, and "
      "tell a KL above 3: the answer is garbled then");
  for (const char* name : {"CHECKPOINT", "batch", "out"}) table.mark_path(name);
  return table;
}

void check_infer_options(const InferOptions& o) {
  if (o.batch && (o.prompt || o.interactive))
    throw_usage("a file of prompts and one to type exclude each other", "--batch",
                "drop --prompt and --interactive");
  if (o.batch && !o.out) throw_usage("the answers need a file", "--batch", "give --out FILE.jsonl");
  if (!o.prompt && !o.interactive && !o.batch) {
    throw_usage("there is nothing to answer", "command line",
                "give --prompt TEXT, --interactive, or --batch FILE.jsonl");
  }
  if (o.checkpoint.empty() && !o.model.id)
    throw_usage("no model is given", "command line", "give a checkpoint, or --model-id MODEL");
}

std::vector<OptionEffect<InferFacts>> infer_option_effects() {
  const auto plain = [](const InferFacts& f) { return f.plain; };
  const auto greedy = [](const InferFacts& f) { return f.options.chooses_greedily(); };
  const auto no_chat = [](const InferFacts& f) { return !f.chat; };
  std::vector<OptionEffect<InferFacts>> rows;
  for (const char* name : {"version", "lut-bits", "attn-lut-bits", "scale-rank", "attn-scale-rank", "check"})
    rows.push_back({name, "on plain weights: they have no layers of ours", plain});
  for (const char* name : {"top-k", "top-p", "seed", "sample"})
    rows.push_back({name, "where the likeliest token is taken", greedy});
  rows.push_back({"temperature", "with --greedy", [](const InferFacts& f) { return f.options.greedy; }});
  for (const char* name : {"system", "no-thinking", "template-date"})
    rows.push_back({name, "without a chat template", no_chat});
  rows.push_back({"no-thinking", "with this chat template: it has no thinking mode",
                  [](const InferFacts& f) { return !f.thinking; }});
  rows.push_back(
      {"chat-template", "with --no-template", [](const InferFacts& f) { return f.options.no_template; }});
  rows.push_back({"precision", "with --factored, which is fp32 beside its halves",
                  [](const InferFacts& f) { return f.options.factored; }});
  rows.push_back(
      {"weight-format", "with --factored", [](const InferFacts& f) { return f.options.factored; }});
  rows.push_back({"weight-format", "on a GPU and in bf16: weights have the type of the products there",
                  [](const InferFacts& f) { return !f.options.factored && !f.compact; }});
  for (const char* name : {"out", "batch-size", "work-timeout"})
    rows.push_back({name, "without --batch", [](const InferFacts& f) { return !f.options.batch; }});
  rows.push_back({"check", "with --batch: it looks at the first prompt of --prompt or --interactive",
                  [](const InferFacts& f) { return f.options.batch.has_value(); }});
  return rows;
}

SamplingOptions sampling_of(const InferOptions& o, const GenerationConfig& config) {
  SamplingOptions sampling;
  sampling.temperature = o.greedy ? 0 : o.temperature;
  sampling.repetition_penalty = o.repetition_penalty;
  sampling.top_k = o.top_k.value_or(config.top_k);
  sampling.top_p = o.top_p.value_or(config.top_p);
  return sampling;
}

}  // namespace anemll
