#include "src/text/qwen3_template.hpp"

#include <string_view>

namespace anemll::text {
namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";

std::string_view without_leading_lines(std::string_view text) {
  while (text.starts_with('\n')) text.remove_prefix(1);
  return text;
}

std::string_view without_trailing_lines(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

struct Answer {
  std::string_view reasoning;
  std::string_view content;
};

/// An assistant's message in its two parts: reasoning of its own field, or out of the text before the last
/// </think>.
Answer parts_of(const ChatMessage& message) {
  const std::string_view all = message.content;
  if (!message.reasoning_content.empty()) return {message.reasoning_content, all};
  const std::size_t first = all.find(kClose);
  if (first == std::string_view::npos) return {{}, all};
  std::string_view reasoning = without_trailing_lines(all.substr(0, first));
  if (const std::size_t open = reasoning.rfind(kOpen); open != std::string_view::npos)
    reasoning.remove_prefix(open + kOpen.size());
  return {without_leading_lines(reasoning),
          without_leading_lines(all.substr(all.rfind(kClose) + kClose.size()))};
}

/// The index of the last message that a person wrote; the last index when there is none.
std::size_t last_query(const std::vector<ChatMessage>& messages) {
  for (std::size_t i = messages.size(); i-- > 0;) {
    const std::string_view content = messages[i].content;
    const bool is_tool_response =
        content.starts_with("<tool_response>") && content.ends_with("</tool_response>");
    if (messages[i].role == "user" && !is_tool_response) return i;
  }
  return messages.size() - 1;
}

}  // namespace

std::string render_qwen3(const std::vector<ChatMessage>& messages) {
  if (messages.empty()) return {};
  const std::size_t query = last_query(messages);
  std::string out;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    const bool last = i + 1 == messages.size();
    if (message.role == "user" || message.role == "system") {
      out.append("<|im_start|>")
          .append(message.role)
          .append("\n")
          .append(message.content)
          .append("<|im_end|>\n");
    } else if (message.role == "assistant") {
      const Answer answer = parts_of(message);
      out += "<|im_start|>assistant\n";
      if (i > query && (last || !answer.reasoning.empty())) {
        out.append("<think>\n").append(without_trailing_lines(without_leading_lines(answer.reasoning)));
        out.append("\n</think>\n\n").append(without_leading_lines(answer.content));
      } else {
        out += answer.content;
      }
      out += "<|im_end|>\n";
    } else if (message.role == "tool") {
      // Tool messages in a row share one user turn.
      if (i == 0 || messages[i - 1].role != "tool") out += "<|im_start|>user";
      out.append("\n<tool_response>\n").append(message.content).append("\n</tool_response>");
      if (last || messages[i + 1].role != "tool") out += "<|im_end|>\n";
    }
  }
  return out;
}

}  // namespace anemll::text
