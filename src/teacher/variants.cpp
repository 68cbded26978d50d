#include "src/teacher/variants.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace anemll {
namespace {

/// A message without a template: its text, then its calls as JSON.
std::string plain_text(const ChatMessage& message) {
  std::string text = message.content;
  for (const ToolCall& call : message.tool_calls) {
    if (!text.empty()) text += '\n';
    text.append("{\"name\": \"")
        .append(call.name)
        .append("\", \"arguments\": ")
        .append(call.arguments)
        .append("}");
  }
  return text;
}

std::string joined_contents(const std::vector<ChatMessage>& messages) {
  std::string text;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (i != 0) text += "\n\n";
    text += plain_text(messages[i]);
  }
  return text;
}

/// Why thinking is not printed; empty when it is.
std::string why_no_thinking(const Document& document, std::size_t i, const std::optional<ChatTemplate>& chat,
                            Thinking thinking, bool asked) {
  if (!chat || thinking == Thinking::none) return "messages without a template are their contents only";
  if (!chat->reads_reasoning()) return "the chat template " + chat->name() + " has no place for it";
  if (thinking == Thinking::off) return asked ? "" : "--enable_thinking false, the default, takes it out";
  if (chat->prints_thinking(document.messages, i)) return {};
  return "the chat template " + chat->name() + " prints it behind the last question only";
}

}  // namespace

std::vector<std::string> render_variants(const Document& document, const std::optional<ChatTemplate>& chat,
                                         Thinking thinking) {
  if (document.messages.empty()) return {document.text};
  if (!chat || thinking == Thinking::none) return {joined_contents(document.messages)};
  const bool once = !chat->has_thinking();
  const auto off = [&] {
    return strip_thinking(chat->render(document.messages, false, false, document.tools));
  };
  const auto on = [&] { return once ? off() : chat->render(document.messages, true, false, document.tools); };
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

void fit_to_template(Document& document, const std::optional<ChatTemplate>& chat, Thinking thinking,
                     bool thinking_asked, Inventory& inventory) {
  if (document.messages.empty()) return;
  const bool templated = chat && thinking != Thinking::none;
  const std::string no_rule =
      templated ? "the chat template " + chat->name() + " has no known rule for it" : std::string();
  const auto unknown = [&](const ChatMessage& message) {
    if (!templated || chat->knows_role(message.role)) return false;
    inventory.add(Fate::left_out, "turn", message.role, no_rule);
    return true;
  };
  document.messages.erase(std::remove_if(document.messages.begin(), document.messages.end(), unknown),
                          document.messages.end());
  for (std::size_t i = 0; i < document.messages.size(); ++i) {
    ChatMessage& message = document.messages[i];
    if (templated && !chat->has_tools() && !message.tool_calls.empty()) {
      inventory.add(Fate::left_out, "tool call", message.tool_calls.front().name, no_rule,
                    static_cast<std::int64_t>(message.tool_calls.size()));
      message.tool_calls.clear();
      if (message.content.empty() && message.reasoning_content.empty()) {
        // An answer of nothing would be a lesson too.
        document.messages.erase(document.messages.begin() + static_cast<std::ptrdiff_t>(i--));
        continue;
      }
    }
    if (message.reasoning_content.empty()) continue;
    const std::string why = why_no_thinking(document, i, chat, thinking, thinking_asked);
    inventory.add(why.empty() ? Fate::used : Fate::left_out, "thinking", message.role, why);
  }
  if (!document.tools.empty() && !(templated && chat->has_tools())) {
    inventory.add(Fate::left_out, "tool description", "tools",
                  templated ? no_rule : "messages without a template are their contents only",
                  static_cast<std::int64_t>(document.tools.size()));
    document.tools.clear();
  }
  if (!templated) return;
  const std::string refusal = chat->refusal(document.messages, document.tools);
  if (refusal.empty()) return;
  inventory.add(Fate::left_out, "conversation", chat->name(), "the chat template refuses it: " + refusal);
  document.messages.clear();
  document.text.clear();
}

std::string thinking_notice(const ChatTemplate& chat, Thinking thinking) {
  if (chat.has_thinking() || thinking == Thinking::off || thinking == Thinking::none) return {};
  return "the chat template " + chat.name() +
         " has no place for thinking: texts with and without thinking are alike (no <think> blocks) and "
         "packed "
         "once";
}

}  // namespace anemll
