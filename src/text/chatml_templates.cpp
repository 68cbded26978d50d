// Templates whose turns hold what the messages hold and nothing else: ChatML with and without a system's
// message of its own, and DeepSeek-R1-Distill.
#include "src/text/internal/python_strip.hpp"
#include "src/text/internal/template_families.hpp"

namespace anemll::text {
namespace {

void append_turn(std::string& out, std::string_view role, std::string_view content) {
  out.append("<|im_start|>").append(role).append("\n").append(content).append("<|im_end|>\n");
}

}  // namespace

std::string render_chatml(const Family& family, const Conversation& chat) {
  std::string out;
  if (!family.system.empty() && !chat.messages.empty() && chat.messages.front().role != "system")
    append_turn(out, "system", family.system);
  for (const ChatMessage& message : chat.messages) append_turn(out, message.role, message.content);
  if (chat.prompt) out += "<|im_start|>assistant\n";
  return out;
}

/// The last system's message goes before everything, without a mark. Thinking of earlier answers is left out,
/// and a new one begins with it.
std::string render_deepseek_r1(const Family& family, const Conversation& chat) {
  constexpr std::string_view kUser = "<\uff5cUser\uff5c>";
  constexpr std::string_view kAssistant = "<\uff5cAssistant\uff5c>";
  std::string out(family.bos);
  std::string_view system;
  for (const ChatMessage& message : chat.messages) {
    if (message.role == "system") system = message.content;
  }
  out += system;
  for (const ChatMessage& message : chat.messages) {
    if (message.role == "user") out.append(kUser).append(message.content);
    if (message.role == "assistant")
      out.append(kAssistant).append(behind_last(message.content, "</think>")).append(family.end);
  }
  if (chat.prompt) out.append(kAssistant).append("<think>\n");
  return out;
}

}  // namespace anemll::text
