#include "src/teacher/variants.hpp"

#include "anemll/core/error.hpp"

#include <cstddef>

namespace anemll {
namespace {

std::string joined_contents(const std::vector<ChatMessage>& messages) {
  std::string text;
  for (std::size_t i = 0; i < messages.size(); ++i) text += (i == 0 ? "" : "\n\n") + messages[i].content;
  return text;
}

}  // namespace

Thinking thinking_named(const std::string& name) {
  if (name == "false") return Thinking::off;
  if (name == "true") return Thinking::on;
  if (name == "both") return Thinking::both;
  if (name == "none") return Thinking::none;
  if (name == "all") return Thinking::all;
  throw_usage("unknown thinking variant: " + name, "--enable_thinking",
              "one of false, true, both, none, all");
}

std::vector<std::string> render_variants(const Document& document, const std::optional<ChatTemplate>& chat,
                                         Thinking thinking) {
  if (document.messages.empty()) return {document.text};
  if (!chat || thinking == Thinking::none) return {joined_contents(document.messages)};
  const bool once = !chat->has_thinking_switch();
  const auto off = [&] { return strip_thinking(chat->render(document.messages, false, false)); };
  const auto on = [&] { return once ? off() : chat->render(document.messages, true, false); };
  switch (thinking) {
    case Thinking::on:
      return {on()};
    case Thinking::both:
      return once ? std::vector{off()} : std::vector{off(), on()};
    case Thinking::all:
      return once ? std::vector{off(), joined_contents(document.messages)}
                  : std::vector{on(), off(), joined_contents(document.messages)};
    default:
      return {off()};
  }
}

std::string thinking_notice(const ChatTemplate& chat, Thinking thinking) {
  if (chat.has_thinking_switch() || thinking == Thinking::off || thinking == Thinking::none) return {};
  return "the chat template " + chat.name() +
         " has no thinking switch: texts with and without thinking are alike (no <think> blocks) and packed "
         "once";
}

}  // namespace anemll
