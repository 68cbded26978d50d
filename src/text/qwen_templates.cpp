// Qwen2.5, and Qwen3 in its three kinds: with and without thinking as one chooses, with it, without it.
#include "src/text/internal/python_strip.hpp"
#include "src/text/internal/template_families.hpp"

#include <utility>

namespace anemll::text {
namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";

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
  const std::string_view before = without_trailing_lines(all.substr(0, first));
  return {without_leading_lines(behind_last(before, kOpen)), without_leading_lines(behind_last(all, kClose))};
}

void append_turn(std::string& out, const ChatMessage& message) {
  out.append("<|im_start|>").append(message.role).append("\n").append(message.content).append("<|im_end|>\n");
}

/// The system's turn of a conversation with tools; `system` is what it begins with.
void append_tools(std::string& out, std::string_view system, const std::vector<std::string>& tools) {
  out.append("<|im_start|>system\n").append(system);
  out +=
      "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with "
      "function signatures within <tools></tools> XML tags:\n<tools>";
  for (const std::string& tool : tools) out.append("\n").append(tool);
  out +=
      "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
      "<tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": "
      "<args-json-object>}\n</tool_call><|im_end|>\n";
}

/// With a line end before the first call if `after_text`, and between calls.
void append_calls(std::string& out, const ChatMessage& message, bool after_text) {
  for (const ToolCall& call : message.tool_calls) {
    if (std::exchange(after_text, true)) out += '\n';
    out.append("<tool_call>\n{\"name\": \"").append(call.name).append("\", \"arguments\": ");
    out.append(call.arguments).append("}\n</tool_call>");
  }
}

/// Tool messages in a row share one user turn.
void append_response(std::string& out, const std::vector<ChatMessage>& messages, std::size_t i) {
  if (i == 0 || messages[i - 1].role != "tool") out += "<|im_start|>user";
  out.append("\n<tool_response>\n").append(messages[i].content).append("\n</tool_response>");
  if (i + 1 == messages.size() || messages[i + 1].role != "tool") out += "<|im_end|>\n";
}

}  // namespace

std::size_t last_query(const std::vector<ChatMessage>& messages) {
  for (std::size_t i = messages.size(); i-- > 0;) {
    const std::string_view content = messages[i].content;
    const bool is_tool_response =
        content.starts_with("<tool_response>") && content.ends_with("</tool_response>");
    if (messages[i].role == "user" && !is_tool_response) return i;
  }
  return messages.size() - 1;
}

std::string render_qwen25(const Family& family, const Conversation& chat) {
  std::string out;
  if (!chat.messages.empty()) {
    const bool given = chat.messages.front().role == "system";
    std::string system(given ? std::string_view(chat.messages.front().content) : family.system);
    if (chat.tools.empty()) {
      append_turn(out, {"system", std::move(system)});
    } else {
      append_tools(out, system.append("\n\n"), chat.tools);
    }
  }
  for (std::size_t i = 0; i < chat.messages.size(); ++i) {
    const ChatMessage& message = chat.messages[i];
    const bool answer = message.role == "assistant";
    if (message.role == "user" || (message.role == "system" && i > 0) ||
        (answer && message.tool_calls.empty())) {
      append_turn(out, message);
    } else if (answer) {
      out += "<|im_start|>assistant";
      if (!message.content.empty()) out.append("\n").append(message.content);
      append_calls(out, message, true);
      out += "<|im_end|>\n";
    } else if (message.role == "tool") {
      append_response(out, chat.messages, i);
    }
  }
  if (chat.prompt) out += "<|im_start|>assistant\n";
  return out;
}

std::string render_qwen3(const Family& family, const Conversation& chat) {
  const std::vector<ChatMessage>& messages = chat.messages;
  const bool thinks = family.thinking;
  const std::size_t query = messages.empty() ? 0 : last_query(messages);
  std::string out;
  if (!chat.tools.empty() && !messages.empty()) {
    const bool given = messages.front().role == "system";
    append_tools(out, given ? messages.front().content + "\n\n" : std::string(), chat.tools);
  }
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    if (i == 0 && message.role == "system" && !chat.tools.empty()) continue;
    if (message.role == "user" || message.role == "system") {
      append_turn(out, message);
    } else if (message.role == "assistant") {
      const Answer answer = thinks ? parts_of(message) : Answer{{}, message.content};
      out += "<|im_start|>assistant\n";
      if (thinks && i > query && (i + 1 == messages.size() || !answer.reasoning.empty())) {
        out.append("<think>\n").append(without_trailing_lines(without_leading_lines(answer.reasoning)));
        out.append("\n</think>\n\n").append(without_leading_lines(answer.content));
      } else {
        out += answer.content;
      }
      append_calls(out, message, !answer.content.empty());
      out += "<|im_end|>\n";
    } else if (message.role == "tool") {
      append_response(out, messages, i);
    }
  }
  if (!chat.prompt) return out;
  out += "<|im_start|>assistant\n";
  if (thinks && !family.thinking_switch) {
    out += "<think>\n";
  } else if (thinks && !chat.thinking) {
    out += "<think>\n\n</think>\n\n";
  }
  return out;
}

}  // namespace anemll::text
