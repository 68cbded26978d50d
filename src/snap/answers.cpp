#include "src/snap/answers.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/text/chat_template.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/core/printable.hpp"
#include "src/core/signals.hpp"
#include "src/export/consumers.hpp"
#include "src/infer/generation_config.hpp"
#include "src/infer/generator.hpp"
#include "src/infer/prompt_check.hpp"
#include "src/infer/sampling.hpp"
#include "src/snap/internal/verify.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <utility>

#include <ATen/core/grad_mode.h>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr const char* kSystem = "You are a helpful assistant.";
constexpr std::array kPrompts{"What is the capital of France?", "Write one sentence about the sea.",
                              "What is 12 times 4?", "Name three animals that can fly."};

/// How prompts become tokens and tokens become text.
struct Text {
  TextModel model;
  std::optional<ChatTemplate> chat;
  GenerationConfig generation;

  std::vector<std::int32_t> ids(const std::string& prompt) const {
    if (!chat) return model.tokenizer.encode(prompt);
    std::vector<ChatMessage> messages{{"system", kSystem}, {"user", prompt}};
    if (!chat->refusal(messages).empty())
      messages.erase(messages.begin());  // Gemma 2 has no system's message
    return model.tokenizer.encode(chat->render(messages, /*enable_thinking=*/false, true));
  }
};

/// A model of another template or tokenizer than ours knows can be snapped all the same.
std::optional<Text> find_text(const OpenModel& opened, bool required) {
  try {
    TextModel text = load_text_model(opened.path, TokenizerRules::as_written, opened.gguf.get());
    std::optional<ChatTemplate> chat;
    if (!text.chat_template.empty()) chat = ChatTemplate::recognise(text.chat_template, text.template_source);
    GenerationConfig generation =
        read_generation_config(opened.path / "generation_config.json", opened.config, text.eos_id);
    if (chat) add_template_stops(generation.stops, *chat, text.tokenizer);
    return Text{std::move(text), std::move(chat), std::move(generation)};
  } catch (const Error& error) {
    if (required) throw;
    log_info(std::string("answers are not compared, because the model's text cannot be read: ") +
             error.what());
    return std::nullopt;
  }
}

std::vector<std::int32_t> answer_of(Decoder& decoder, const Text& text, const std::string& prompt,
                                    const AnswerOptions& options) {
  Generator generator(decoder);
  SamplingOptions greedy;
  greedy.temperature = 0;
  Sampler sampler(greedy, 0);
  GenerationCalls calls;
  calls.stop = [] {
    leave_on_signal("comparing answers", "the file is whole: --no-test leaves them out");
    return false;
  };
  std::vector<std::int32_t> ids =
      generator.answer(text.ids(prompt), {options.tokens, text.generation.stops}, sampler, calls).ids;
  if (!ids.empty() && text.generation.stops.contains(ids.back())) ids.pop_back();
  return ids;
}

/// Ids above the vocabulary (models pad theirs) are left out.
std::string text_of(const Text& text, std::vector<std::int32_t> ids) {
  std::erase_if(ids, [&](std::int32_t id) { return id >= text.model.tokenizer.size(); });
  return text.model.tokenizer.decode(ids, /*skip_special_tokens=*/true);
}

/// One line of it, with quotes.
std::string shown(const std::string& text) {
  std::string line;
  for (const char c : text) {
    if (c == '\n') {
      line += "\\n";
    } else if (c != '\r') {
      line += c;
    }
  }
  return std::string("\"").append(printable(line)).append("\"");
}

}  // namespace

std::optional<SnapAnswers> compare_answers(const OpenModel& opened, const ModelFiles& model, Student& student,
                                           const TensorMap& written, bool required,
                                           const AnswerOptions& options) {
  const at::NoGradGuard no_grad;
  const std::optional<Text> text = find_text(opened, required);
  if (!text) return std::nullopt;
  SnapAnswers answers;
  if (text->chat) answers.foreign_marks = foreign_marks(*text->chat, text->model.tokenizer);

  student.set_training(at::kFloat);  // weights are multiplied out once and kept
  std::vector<std::vector<std::int32_t>> trained;
  for (const char* prompt : kPrompts) trained.push_back(answer_of(student.decoder(), *text, prompt, options));
  {
    Decoder plain(model, options.device, /*dense=*/true);
    for (const char* prompt : kPrompts)
      answers.divergence += prompt_divergence(plain, student.decoder(), text->ids(prompt));
    answers.divergence /= static_cast<double>(kPrompts.size());
  }
  student.set_evaluation();

  Decoder snapped(reread_model(student.files(), written), options.device, false);
  for (Decoder::Slot& slot : snapped.slots()) {
    slot.linear = std::make_unique<ConsumerLinear>(written, slot.spec.name, Consumer::reference,
                                                   options.device, /*keep=*/true);
  }
  for (std::size_t i = 0; i < kPrompts.size(); ++i) {
    const std::vector<std::int32_t> ids = answer_of(snapped, *text, kPrompts[i], options);
    AnswerPair pair{kPrompts[i], text_of(*text, trained[i]), text_of(*text, ids), 0, {}};
    pair.tokens = static_cast<std::int64_t>(std::max(ids.size(), trained[i].size()));
    const auto common = std::mismatch(trained[i].begin(), trained[i].end(), ids.begin(), ids.end());
    if (common.first != trained[i].end() || common.second != ids.end())
      pair.differs = common.first - trained[i].begin();
    answers.pairs.push_back(std::move(pair));
  }
  return answers;
}

std::string answers_text(const SnapAnswers& answers) {
  std::string text = "Greedy answers of the trained model and of the file:\n";
  for (const AnswerPair& pair : answers.pairs) {
    text += "  > " + pair.prompt + "\n    trained " + shown(pair.trained) + "\n    snapped ";
    if (!pair.differs) {
      text += "the same " + strf("%lld tokens\n", static_cast<long long>(pair.tokens));
    } else {
      text += shown(pair.snapped) +
              strf(", other from token %lld on\n", static_cast<long long>(*pair.differs + 1));
    }
  }
  text += strf("  KL from the unquantised model on these prompts: %.3g nats a token\n", answers.divergence);
  for (const std::string& mark : answers.foreign_marks)
    text +=
        "  garbled: the chat template writes " + mark +
        ", which is no token of this tokenizer; give --model-id of the model that the template belongs to\n";
  if (answers.divergence > kGarbledDivergence)
    text += strf(
        "  garbled: KL above %g is no trained model of this one. If training did not end near a KD loss of "
        "1, train on: anemll_train --v2-checkpoint CKPT; else give --model-id of the model that was "
        "trained, and look with anemll_inspect check CKPT and anemll_inspect layers CKPT\n",
        kGarbledDivergence);
  return text;
}

}  // namespace anemll
