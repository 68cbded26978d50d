#include "src/tools/infer_chat.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/shell_word.hpp"
#include "src/core/signals.hpp"
#include "src/core/tool.hpp"
#include "src/infer/prompt_check.hpp"
#include "src/infer/text_stream.hpp"
#include "src/tools/infer_lines.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>

#include <nlohmann/json.hpp>
#include <unistd.h>

namespace anemll {
namespace {

using nlohmann::ordered_json;

/// A model may say what a terminal takes for a command.
std::string fit_for_stdout(const std::string& text) {
  return ::isatty(STDOUT_FILENO) != 0 ? fit_for_terminal(text) : text;
}

void write(std::string_view text) {
  if (text.empty()) return;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw_data("cannot write", "stdout", "check the disk space");
}

double rate(std::int64_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
}

const char* words_of(Ending ending) {
  switch (ending) {
    case Ending::length:
      return "; ended by --max-tokens";
    case Ending::context:
      return "; ended because the model takes no more tokens";
    case Ending::asked:
      return "; stopped";
    case Ending::stop:
      break;
  }
  return "";
}

/// The answer's speed is that of its passes: the first token comes out of the prompt's.
void tell_speed(const Generation& made) {
  log_info(strf("prompt: %lld tokens, %.1f tokens/s; answer: %zu tokens, %.1f tokens/s%s",
                static_cast<long long>(made.prompt_tokens), rate(made.prompt_tokens, made.prompt_seconds),
                made.ids.size(), rate(made.passes, made.answer_seconds), words_of(made.ending)));
}

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
}

bool says_goodbye(const std::string& line) {
  return line == "/quit" || line == "quit" || line == "exit" || line == "q";
}

}  // namespace

struct InferChat::Command {
  std::string name, argument, help;
  void (InferChat::*run)(const std::string&);
};

const std::vector<InferChat::Command>& InferChat::commands() {
  static const std::vector<Command> list = {
      {"/help", "", "this list", &InferChat::help},
      {"/reset", "", "forget the turns so far", &InferChat::reset},
      {"/system", "TEXT", "another system message, or none; the turns are forgotten", &InferChat::set_system},
      {"/save", "FILE", "the dialogue as JSON, into a new file", &InferChat::save},
  };
  return list;
}

InferChat::InferChat(InferModel& model, const InferOptions& options, std::uint64_t seed)
    : model_(model),
      options_(options),
      generation_{options.max_tokens, model.generation.stops},
      generator_(model.decoder()),
      sampler_(sampling_of(options, model.generation), seed),
      system_(options.system.value_or("")) {}

/// The text that the model continues.
std::string InferChat::rendered() const {
  if (!model_.chat) return turns_.back().content;
  std::vector<ChatMessage> messages;
  if (!system_.empty()) messages.push_back({"system", system_});
  messages.insert(messages.end(), turns_.begin(), turns_.end());
  return model_.chat->render(messages, !options_.no_thinking, /*add_generation_prompt=*/true);
}

void InferChat::answer(const std::string& prompt, const std::function<bool()>& stop) {
  turns_.push_back({"user", prompt});
  Generation made;
  std::string answer;
  try {
    TextStream stream(model_.text.tokenizer);
    const auto show = [&answer](const std::string& part) {
      answer += part;
      write(fit_for_stdout(part));
    };
    const std::vector<std::int32_t> ids = model_.text.tokenizer.encode(rendered());
    if (model_.teacher) tell_divergence(ids);
    GenerationCalls calls;
    calls.on_token = [&](std::int32_t id) { show(stream.push(id)); };
    calls.stop = stop;
    made = generator_.answer(ids, generation_, sampler_, calls);
    show(stream.finish());
  } catch (...) {
    turns_.pop_back();
    tell_ranges();
    throw;
  }
  write("\n");
  turns_.push_back({"assistant", answer});
  tell_speed(made);
}

/// --check. Once: the teacher's weights are given back.
void InferChat::tell_divergence(const std::vector<std::int32_t>& ids) {
  const double divergence = prompt_divergence(*model_.teacher, model_.decoder(), ids);
  model_.teacher.reset();
  const std::string figure =
      strf("KL from the unquantised model on the prompt: %.3g nats a token", divergence);
  if (divergence <= kGarbledDivergence) {
    log_info(figure);
    return;
  }
  const std::string file = shell_word(model_.name);
  log_warning(
      "answers will be garbled: " + figure +
      strf(", where a trained model is below %g; to mend it: train on (anemll_train --v2-checkpoint %s), or "
           "give --model-id of the model that was trained; anemll_inspect check %s looks at the tensors",
           kGarbledDivergence, file.c_str(), file.c_str()));
}

void InferChat::tell_ranges() const {
  if (model_.factored) anemll::tell_ranges(*model_.factored);
}

/// What went wrong with one turn is told, and the dialogue goes on.
void InferChat::turn(const std::string& prompt) {
  clear_pending_signal();
  try {
    if (!run_command(prompt)) answer(prompt, [] { return pending_signal() != 0; });
  } catch (const Error& error) {
    if (error.where() == "stdout") throw;  // nobody could read on
    report_error(error);
  }
  if (!model_.chat) turns_.clear();
}

void InferChat::dialogue() {
  prepare_signals(ProgramKind::dialogue);
  LineReader lines("anemll_infer", "> ");
  if (lines.is_terminal()) write("/help lists the commands, Ctrl-D leaves, Ctrl-C stops an answer\n");
  if (options_.prompt) turn(*options_.prompt);
  while (const std::optional<std::string> line = lines.next()) {
    const std::string text = trimmed(*line);
    if (says_goodbye(text)) return;
    if (!text.empty()) turn(text);
  }
}

/// Whether the line is a command; one that is not known is told.
bool InferChat::run_command(const std::string& line) {
  if (!line.starts_with('/')) return false;
  const std::size_t space = std::min(line.find(' '), line.size());
  const std::string name = line.substr(0, space);
  for (const Command& command : commands()) {
    if (command.name != name) continue;
    (this->*command.run)(trimmed(std::string_view(line).substr(space)));
    return true;
  }
  throw_usage("no such command", name, "/help lists them");
}

void InferChat::help(const std::string&) {
  std::string text;
  for (const Command& command : commands())
    text += strf("  %-8s %-5s %s\n", command.name.c_str(), command.argument.c_str(), command.help.c_str());
  write(text + "  /quit          leave, as Ctrl-D does; Ctrl-C stops an answer\n");
}

void InferChat::reset(const std::string&) {
  turns_.clear();
}

void InferChat::set_system(const std::string& text) {
  if (!model_.chat)
    throw_usage("there is no chat template, so no system message", "/system", "start without --no-template");
  system_ = text;
  turns_.clear();
}

void InferChat::save(const std::string& file) {
  if (file.empty()) throw_usage("no file is named", "/save", "give /save FILE");
  if (has_name(file)) throw_usage("is there already", file, "give the name of a new file");
  ordered_json messages = ordered_json::array();
  if (!system_.empty()) messages.push_back({{"role", "system"}, {"content", system_}});
  for (const ChatMessage& message : turns_)
    messages.push_back({{"role", message.role}, {"content", message.content}});
  // What was typed through a pipe need not be UTF-8.
  const std::string text = ordered_json({{"model", model_.name}, {"messages", messages}})
                               .dump(2, ' ', false, ordered_json::error_handler_t::replace);
  write_file(file, text + "\n");
  log_info(file + ": " + std::to_string(turns_.size()) + " turns");
}

}  // namespace anemll
