// Llama 3, and 3.1 to 3.3 with their tools.
#include "src/text/internal/python_strip.hpp"
#include "src/text/internal/template_families.hpp"

#include <nlohmann/json.hpp>

namespace anemll::text {
namespace {

void append_head(std::string& out, std::string_view role) {
  out.append("<|start_header_id|>").append(role).append("<|end_header_id|>\n\n");
}

void append_turn(std::string& out, std::string_view role, std::string_view content) {
  append_head(out, role);
  out.append(stripped(content)).append("<|eot_id|>");
}

/// JSON as json.dumps(indent=4) lays it out; numbers and texts stay as they are spelled.
std::string indented(std::string_view json) {
  std::string out;
  std::size_t depth = 0;
  bool quoted = false;
  const auto new_line = [&] { out.append("\n").append(4 * depth, ' '); };
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (quoted) {
      out += c;
      if (c == '\\' && i + 1 < json.size()) {
        out += json[++i];
      } else if (c == '"') {
        quoted = false;
      }
    } else if (c == '{' || c == '[') {
      out += c;
      const std::size_t next = json.find_first_not_of(" \t\r\n", i + 1);
      if (next != std::string_view::npos && (json[next] == '}' || json[next] == ']')) {
        out += json[next];
        i = next;
      } else {
        ++depth;
        new_line();
      }
    } else if (c == '}' || c == ']') {
      if (depth > 0) --depth;
      new_line();
      out += c;
    } else if (c == ',') {
      out += c;
      new_line();
    } else if (c == ':') {
      out += ": ";
    } else if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      quoted = c == '"';
      out += c;
    }
  }
  return out;
}

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// The tools stand in the first message of the conversation.
void append_tools(std::string& out, const Conversation& chat, std::string_view first) {
  append_head(out, "user");
  out +=
      "Given the following functions, please respond with a JSON for a function call with its proper "
      "arguments that best answers the given prompt.\n\nRespond in the format {\"name\": function name, "
      "\"parameters\": dictionary of argument name and its value}.Do not use variables.\n\n";
  for (const std::string& tool : chat.tools) out.append(indented(tool)).append("\n\n");
  out.append(stripped(first)).append("<|eot_id|>");
}

}  // namespace

std::string render_llama3(const Family& family, const Conversation& chat) {
  std::string out;
  if (!chat.messages.empty()) out += family.bos;
  for (const ChatMessage& message : chat.messages) append_turn(out, message.role, message.content);
  if (chat.prompt) append_head(out, "assistant");
  return out;
}

std::string refusal_of_llama31(const Conversation& chat) {
  const bool system = !chat.messages.empty() && chat.messages.front().role == "system";
  if (!chat.tools.empty() && chat.messages.size() == (system ? 1 : 0))
    return "tools stand in the first question, and there is none";
  for (const ChatMessage& message : chat.messages) {
    if (message.tool_calls.size() > 1) return "it has one call in a turn, and a turn has several";
  }
  return {};
}

std::string render_llama31(const Family& family, const Conversation& chat) {
  const std::vector<ChatMessage>& messages = chat.messages;
  std::size_t next = 0;
  std::string out(family.bos);
  append_head(out, "system");
  if (!chat.tools.empty()) out += "Environment: ipython\n";
  out += "Cutting Knowledge Date: December 2023\n";
  if (!chat.date.empty()) out.append("Today Date: ").append(chat.date).append("\n");
  out += "\n";
  if (!messages.empty() && messages.front().role == "system") out += stripped(messages[next++].content);
  out += "<|eot_id|>";
  if (!chat.tools.empty() && next < messages.size()) append_tools(out, chat, messages[next++].content);
  for (; next < messages.size(); ++next) {
    const ChatMessage& message = messages[next];
    if (!message.tool_calls.empty()) {
      const ToolCall& call = message.tool_calls.front();
      append_head(out, "assistant");
      out.append("{\"name\": \"").append(call.name).append("\", \"parameters\": ");
      out.append(call.arguments).append("}<|eot_id|>");
    } else if (message.role == "tool") {
      append_head(out, "ipython");
      out.append(quoted(message.content)).append("<|eot_id|>");
    } else {
      append_turn(out, message.role, message.content);
    }
  }
  if (chat.prompt) append_head(out, "assistant");
  return out;
}

}  // namespace anemll::text
