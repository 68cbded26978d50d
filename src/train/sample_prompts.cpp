#include "src/train/internal/sample_prompts.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/text/chat_template.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/core/signals.hpp"
#include "src/infer/batch_file.hpp"
#include "src/infer/generation_config.hpp"
#include "src/infer/generator.hpp"
#include "src/infer/prompt_check.hpp"
#include "src/infer/sampling.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include <ATen/core/grad_mode.h>

namespace anemll {
namespace {

constexpr std::size_t kMostPrompts = 64;  // each is answered token by token while all ranks wait

/// As anemll_infer makes them of a prompt, without think blocks.
std::vector<std::int32_t> tokens_of(const PromptRecord& prompt, const std::optional<ChatTemplate>& chat,
                                    const Tokenizer& tokenizer, const std::string& where) {
  if (!chat) {
    if (prompt.messages.size() > 1)
      throw_data("has several turns, and the model has no chat template", where,
                 "write one \"prompt\", or drop --sample-prompts");
    return tokenizer.encode(prompt.messages.front().content);
  }
  for (const ChatMessage& message : prompt.messages) {
    if (!chat->knows_role(message.role))
      throw_data("the chat template has no role '" + message.role + "'", where,
                 "use system, user and assistant in the file of --sample-prompts");
  }
  if (const std::string why = chat->refusal(prompt.messages); !why.empty())
    throw_data("the chat template " + chat->name() + " refuses it: " + why, where,
               "change the messages in the file of --sample-prompts");
  return tokenizer.encode(chat->render(prompt.messages, /*enable_thinking=*/false, true));
}

}  // namespace

struct SamplePrompts::Text {
  TextModel model;
  GenerationOptions generation;
  std::vector<std::string> prompts;
  std::vector<std::vector<std::int32_t>> ids = {};
};

SamplePrompts::SamplePrompts(const std::filesystem::path& file, const OpenModel& opened,
                             std::int64_t tokens) {
  TextModel model = load_text_model(opened.path, TokenizerRules::as_written, opened.gguf.get());
  std::optional<ChatTemplate> chat;
  if (!model.chat_template.empty())
    chat = ChatTemplate::recognise(model.chat_template, model.template_source);
  GenerationConfig config =
      read_generation_config(opened.path / "generation_config.json", opened.config, model.eos_id);
  if (chat) add_template_stops(config.stops, *chat, model.tokenizer);
  text_ = std::make_unique<Text>(Text{std::move(model), {tokens, std::move(config.stops)}, {}});

  const std::vector<PromptRecord> records = read_prompt_file(file);
  if (records.size() > kMostPrompts)
    throw_data(strf("has %zu prompts, and %zu are taken at most", records.size(), kMostPrompts),
               file.string(), "answering stops the training: give --sample-prompts a few prompts");
  for (const PromptRecord& record : records) {
    const std::string where = file.string() + ", line " + std::to_string(record.line);
    text_->prompts.push_back(record.messages.back().content);
    text_->ids.push_back(tokens_of(record, chat, text_->model.tokenizer, where));
    check_prompt(text_->ids.back(), opened.architecture, where);
  }
}

SamplePrompts::~SamplePrompts() = default;

std::vector<SampleAnswer> SamplePrompts::answers(Decoder& student) const {
  const at::NoGradGuard no_grad;
  SamplingOptions greedy;
  greedy.temperature = 0;
  GenerationCalls calls;
  calls.stop = [] { return pending_signal() != 0; };
  Generator generator(student);
  std::vector<SampleAnswer> answers;
  for (std::size_t i = 0; i < text_->prompts.size() && pending_signal() == 0; ++i) {
    Sampler sampler(greedy, 0);
    std::vector<std::int32_t> ids = generator.answer(text_->ids[i], text_->generation, sampler, calls).ids;
    // Ids above the vocabulary (models pad theirs) have no text.
    std::erase_if(ids, [&](std::int32_t id) {
      return id >= text_->model.tokenizer.size() || text_->generation.stops.contains(id);
    });
    answers.push_back({text_->prompts[i], text_->model.tokenizer.decode(ids, /*skip_special_tokens=*/true)});
  }
  return answers;
}

}  // namespace anemll
