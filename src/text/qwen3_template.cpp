#include "src/text/internal/qwen3_template.hpp"

#include "src/core/hash.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace anemll::text {
namespace {

/// SHA-256 of the outlines without tools of the published versions: any other template may render otherwise.
constexpr std::array<std::string_view, 2> kVersions{
    // The first, of April 2025.
    "de0f50886e6f083e4136b5a60b8fc54e90ca65d5d86ab41282cac5e607dda9d4",
    // The later one, which guards against contents that are no text.
    "543ee9ed33cabe464c250e876ad558f3b8bfbb11119dd966f7eac1ce010dc75c",
};

/// SHA-256 of the whole outlines of the same versions.
constexpr std::array<std::string_view, 2> kWhole{
    "4973979a98aac8d77a5cdbbd887adb5a9152439bc6d8df0c34d14534f7f2e558",
    "043494ae49116ddea64e86c9fb9df15851e6b47976df5b1473654bd2f1fa8ebd",
};

/// "if" of "do if(a or b)"; empty for other lines.
std::string_view keyword(std::string_view line) {
  constexpr std::string_view kStatement = "do ";
  if (!line.starts_with(kStatement)) return {};
  line.remove_prefix(kStatement.size());
  return line.substr(0, line.find_first_not_of("abcdefghijklmnopqrstuvwxyz"));
}

/// The outline without the branches that only tools and their responses take.
std::string without_tools(std::string_view outline) {
  struct Choice {
    bool tools;    ///< its first branch goes, with its first and last line
    bool dropped;  ///< lines of the present branch are left out
  };
  std::vector<Choice> open;
  std::string out;
  while (!outline.empty()) {
    const std::string_view line = outline.substr(0, std::min(outline.find('\n'), outline.size() - 1) + 1);
    outline.remove_prefix(line.size());
    const std::string_view word = keyword(line);
    bool own = false;  // of a choice whose first branch goes
    if (word == "if") {
      own = line == "do if tools\n" || line == "do if message.tool_calls\n";
      open.push_back({own, own});
    } else if (!open.empty() && (word == "elif" || word == "else")) {
      own = open.back().tools && word == "else";
      open.back().dropped = line == "do elif message.role==\"tool\"\n";
    } else if (!open.empty() && word == "endif") {
      own = open.back().tools;
      open.pop_back();
    }
    const auto dropped = [](const Choice& choice) { return choice.dropped; };
    if (!own && std::none_of(open.begin(), open.end(), dropped)) out += line;
  }
  return out;
}

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

/// The system's turn of a conversation with tools, which holds the system's message too.
void append_tools(std::string& out, const std::vector<ChatMessage>& messages,
                  const std::vector<std::string>& tools) {
  out += "<|im_start|>system\n";
  if (messages.front().role == "system") out.append(messages.front().content).append("\n\n");
  out +=
      "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with "
      "function signatures within <tools></tools> XML tags:\n<tools>";
  for (const std::string& tool : tools) out.append("\n").append(tool);
  out +=
      "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
      "<tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": "
      "<args-json-object>}\n</tool_call><|im_end|>\n";
}

void append_calls(std::string& out, const ChatMessage& message, bool after_text) {
  for (const ToolCall& call : message.tool_calls) {
    if (std::exchange(after_text, true)) out += '\n';
    out.append("<tool_call>\n{\"name\": \"").append(call.name).append("\", \"arguments\": ");
    out.append(call.arguments).append("}\n</tool_call>");
  }
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

bool is_qwen3_outline(std::string_view outline) {
  if (outline.find("do raw") != std::string_view::npos) return false;  // what follows may be no statements
  return std::find(kVersions.begin(), kVersions.end(), sha256_hex(without_tools(outline))) != kVersions.end();
}

bool has_qwen3_tools(std::string_view outline) {
  return std::find(kWhole.begin(), kWhole.end(), sha256_hex(outline)) != kWhole.end();
}

std::string render_qwen3(const std::vector<ChatMessage>& messages, const std::vector<std::string>& tools) {
  if (messages.empty()) return {};
  const std::size_t query = last_query(messages);
  std::string out;
  if (!tools.empty()) append_tools(out, messages, tools);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    const bool last = i + 1 == messages.size();
    if (i == 0 && message.role == "system" && !tools.empty()) continue;
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
      append_calls(out, message, !answer.content.empty());
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
