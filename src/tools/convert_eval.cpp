#include "src/tools/convert_eval.hpp"

#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/text/chat_template.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/core/option_effects.hpp"
#include "src/core/signals.hpp"
#include "src/data/first_rows.hpp"
#include "src/infer/generation_config.hpp"
#include "src/infer/generator.hpp"
#include "src/infer/prompt_check.hpp"

#include <set>
#include <utility>
#include <vector>

namespace anemll {
namespace {

namespace fs = std::filesystem;

// The evaluation's fixed temperature.
constexpr double kTemperature = 2.0;
constexpr const char* kEvaluating = "evaluating the converted model";
constexpr const char* kFileStays = "the file is written; train from it, or evaluate it again";

/// None where the model has no chat that is known: the prompt is continued as it is then.
std::optional<ChatTemplate> chat_of(const std::string& jinja, const std::string& where) {
  if (jinja.empty()) return std::nullopt;
  try {
    return ChatTemplate::recognise(jinja, where);
  } catch (const Error& e) {
    log_info("the prompt is given without a chat template: " + e.problem());
    return std::nullopt;
  }
}

double loss_of(Student& student, const KdBatch& samples) {
  const auto comm = make_single_communicator();
  student.set_evaluation();
  return sample_kd_loss(student.decoder(), samples, kTemperature, *comm);
}

}  // namespace

void add_eval_options(OptionTable& table, ConvertEvalOptions& o) {
  table.group("Evaluation");
  table.add_flag("eval", &o.on, "KD loss before and after, and a greedy continuation of the prompt");
  table.add("cache-dir", &o.cache_dir, "KD cache to evaluate with");
  table.add("samples", &o.samples, "sequences to score, from the cache's start", 1, 1 << 20);
  table.add("prompt", &o.prompt, "what the converted model continues");
  table.add("max-tokens", &o.max_tokens, "tokens of the continuation", 1, 1 << 16);
  table.mark_path("cache-dir");
}

void check_eval_options(const ConvertEvalOptions& options, const OptionTable& table) {
  if (options.on && !options.cache_dir)
    throw_usage("--eval needs a KD cache", "--cache-dir", "give the cache that the model will train on");
  std::vector<OptionEffect<ConvertEvalOptions>> effects;
  for (const char* option : {"cache-dir", "samples", "prompt", "max-tokens"})
    effects.push_back({option, "without --eval", [](const ConvertEvalOptions& o) { return !o.on; }});
  tell_unread(unread_options(effects, options, [&](const std::string& name) { return table.given(name); }));
}

struct ConvertEval::Impl {
  ConvertEvalOptions options;
  KdBatch samples;
  std::optional<TextModel> text;
  std::vector<std::int32_t> prompt;
  std::set<std::int32_t> stops;
};

ConvertEval::ConvertEval(const ConvertEvalOptions& options, const OpenModel& model, const fs::path& work_dir)
    : impl_(std::make_unique<Impl>()) {
  impl_->options = options;
  impl_->samples = read_first_rows(*options.cache_dir, work_dir, options.samples, ids_of(model));
  if (options.max_tokens == 0) return;
  if (!model.gguf && !fs::exists(model.path / "tokenizer.json")) {
    log_info(model.path.string() + " has no tokenizer.json: no text is continued");
    return;
  }
  impl_->text.emplace(load_text_model(model.path, TokenizerRules::as_written, model.gguf.get()));
  const TextModel& text = *impl_->text;
  impl_->stops =
      read_generation_config(model.path / "generation_config.json", model.config, text.eos_id).stops;
  const std::optional<ChatTemplate> chat = chat_of(text.chat_template, text.template_source);
  if (chat) add_template_stops(impl_->stops, *chat, text.tokenizer);
  impl_->prompt =
      text.tokenizer.encode(chat ? chat->render({{"user", options.prompt}}, false, true) : options.prompt);
  if (impl_->prompt.empty()) throw_usage("is empty", "--prompt", "give a text that the model can continue");
}

ConvertEval::~ConvertEval() = default;

std::string ConvertEval::compare(Student& before, Student& after) const {
  const double old_loss = loss_of(before, impl_->samples);
  const double new_loss = loss_of(after, impl_->samples);
  std::string lines = strf("KD loss over %lld sequences: %.4f before, %.4f after\n",
                           static_cast<long long>(impl_->samples.rows), old_loss, new_loss);
  if (!impl_->text) return lines;
  const TextModel& text = *impl_->text;
  GenerationOptions options;
  options.max_tokens = impl_->options.max_tokens;
  options.stops = impl_->stops;
  SamplingOptions greedy;
  greedy.temperature = 0;
  Sampler sampler(greedy, 0);
  std::vector<std::int32_t> ids;
  GenerationCalls calls;
  calls.on_token = [&ids](std::int32_t id) { ids.push_back(id); };
  calls.stop = [] {
    leave_on_signal(kEvaluating, kFileStays);
    return false;
  };
  Generator(after.decoder()).answer(impl_->prompt, options, sampler, calls);
  return lines + "prompt: " + impl_->options.prompt + "\nanswer: " + text.tokenizer.decode(ids) + "\n";
}

}  // namespace anemll
