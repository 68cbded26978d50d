// ChatML, whose turns hold what the messages hold and nothing else: with and without a system's message of
// its own.
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

}  // namespace anemll::text
