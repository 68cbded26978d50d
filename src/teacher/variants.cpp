#include "src/teacher/variants.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

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

/// Takes the calls out that the template does not print, and the responses to them; what it prints calls in
/// place of is told.
class CallFitter {
 public:
  CallFitter(const ChatTemplate& chat, std::string no_rule, Inventory& inventory)
      : chat_(chat), no_rule_(std::move(no_rule)), inventory_(inventory) {}

  /// Whether anything of `message` is left.
  bool operator()(ChatMessage& message) {
    if (message.role == "tool") {
      if (unanswered_)
        inventory_.add(Fate::left_out, "turn", message.role, "the call that it responds to was left out");
      return !unanswered_;
    }
    unanswered_ = false;
    if (message.tool_calls.empty()) return true;
    if (!chat_.prints_text(message)) {
      if (!message.content.empty())
        inventory_.add(Fate::left_out, "text beside a call", message.role,
                       "the chat template " + chat_.name() + " prints calls in its place");
      return true;
    }
    if (chat_.prints_calls(message)) return true;
    ChatMessage bare = message;
    bare.content.clear();
    inventory_.add(Fate::left_out, "tool call", message.tool_calls.front().name,
                   chat_.prints_calls(bare)
                       ? "the chat template " + chat_.name() + " prints calls of turns without text only"
                       : no_rule_,
                   static_cast<std::int64_t>(message.tool_calls.size()));
    message.tool_calls.clear();
    unanswered_ = true;
    // An answer of nothing would be a lesson too.
    return !message.content.empty() || !message.reasoning_content.empty();
  }

 private:
  const ChatTemplate& chat_;
  std::string no_rule_;
  Inventory& inventory_;
  bool unanswered_ = false;  ///< the calls of the turn before were taken out
};

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
  std::erase_if(document.messages, unknown);
  if (templated) {
    CallFitter fitter(*chat, no_rule, inventory);
    std::vector<ChatMessage> left;
    for (ChatMessage& message : document.messages) {
      if (fitter(message)) left.push_back(std::move(message));
    }
    document.messages = std::move(left);
  }
  for (std::size_t i = 0; i < document.messages.size(); ++i) {
    const ChatMessage& message = document.messages[i];
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
