// Gemma 2 and 3: turns of user and model, which must take turns.
#include "src/text/internal/python_strip.hpp"
#include "src/text/internal/template_families.hpp"

namespace anemll::text {
namespace {

bool begins_with_system(const Conversation& chat) {
  return !chat.messages.empty() && chat.messages.front().role == "system";
}

/// The messages from `first` on are of user, assistant, user and so on.
std::string refusal_from(const Conversation& chat, std::size_t first) {
  for (std::size_t i = first; i < chat.messages.size(); ++i) {
    if ((chat.messages[i].role == "user") != ((i - first) % 2 == 0))
      return "its roles must alternate: user, assistant, user, ...";
  }
  return {};
}

}  // namespace

std::string refusal_of_gemma2(const Conversation& chat) {
  if (begins_with_system(chat)) return "it has no system's message";
  return refusal_from(chat, 0);
}

std::string refusal_of_gemma3(const Conversation& chat) {
  return refusal_from(chat, begins_with_system(chat) ? 1 : 0);
}

/// A system's message stands before the first message, in the same turn.
std::string render_gemma(const Family& family, const Conversation& chat) {
  std::string out(family.bos);
  std::string prefix;
  for (std::size_t i = 0; i < chat.messages.size(); ++i) {
    const ChatMessage& message = chat.messages[i];
    if (i == 0 && message.role == "system") {
      prefix = message.content;
      prefix += "\n\n";
      continue;
    }
    const std::string_view role = message.role == "assistant" ? "model" : std::string_view(message.role);
    out.append(family.start).append(role).append("\n").append(prefix);
    out.append(stripped(message.content)).append(family.end).append("\n");
    prefix.clear();
  }
  if (chat.prompt) out.append(family.start).append("model\n");
  return out;
}

}  // namespace anemll::text
