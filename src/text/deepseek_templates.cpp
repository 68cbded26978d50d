// DeepSeek-R1-Distill, with the calls and responses of tools.
#include "src/text/internal/python_strip.hpp"
#include "src/text/internal/template_families.hpp"

#include <utility>

namespace anemll::text {
namespace {

constexpr std::string_view kUser = "<\uff5cUser\uff5c>";
constexpr std::string_view kAssistant = "<\uff5cAssistant\uff5c>";
constexpr std::string_view kCalls = "<\uff5ctool\u2581calls\u2581begin\uff5c>";
constexpr std::string_view kCallsEnd = "<\uff5ctool\u2581calls\u2581end\uff5c>";
constexpr std::string_view kCall = "<\uff5ctool\u2581call\u2581begin\uff5c>";
constexpr std::string_view kCallEnd = "<\uff5ctool\u2581call\u2581end\uff5c>";
constexpr std::string_view kSeparator = "<\uff5ctool\u2581sep\uff5c>";
constexpr std::string_view kOutputs = "<\uff5ctool\u2581outputs\u2581begin\uff5c>";
constexpr std::string_view kOutputsEnd = "<\uff5ctool\u2581outputs\u2581end\uff5c>";
constexpr std::string_view kOutput = "<\uff5ctool\u2581output\u2581begin\uff5c>";
constexpr std::string_view kOutputEnd = "<\uff5ctool\u2581output\u2581end\uff5c>";

/// A text as it grows. As published: the first call of a conversation opens the calls, every later one closes
/// them, and so it is with the first response.
class R1Text {
 public:
  R1Text(std::string_view bos, std::string_view end) : out_(bos), end_(end) {}

  void system(std::string_view text) { out_ += text; }

  void add(const ChatMessage& message) {
    if (message.role == "user") {
      responses_ = false;
      out_.append(kUser).append(message.content);
    } else if (message.role == "assistant" && message.content.empty() && !message.tool_calls.empty()) {
      responses_ = false;
      for (const ToolCall& call : message.tool_calls) add(call);
    } else if (message.role == "assistant" && std::exchange(responses_, false)) {
      out_.append(kOutputsEnd).append(message.content).append(end_);
    } else if (message.role == "assistant") {
      out_.append(kAssistant).append(behind_last(message.content, "</think>")).append(end_);
    } else if (message.role == "tool") {
      responses_ = true;
      out_.append(std::exchange(responded_, true) ? "\n" : kOutputs);
      out_.append(kOutput).append(message.content).append(kOutputEnd);
    }
  }

  /// With the beginning of an answer if `prompt`; responses of tools are one already.
  std::string take(bool prompt) {
    if (responses_) {
      out_ += kOutputsEnd;
    } else if (prompt) {
      out_.append(kAssistant).append("<think>\n");
    }
    return std::move(out_);
  }

 private:
  void add(const ToolCall& call) {
    const bool first = !std::exchange(called_, true);
    if (first) {
      out_.append(kAssistant).append(kCalls);
    } else {
      out_ += '\n';
    }
    out_.append(kCall).append("function").append(kSeparator).append(call.name).append("\n```json\n");
    out_.append(call.arguments).append("\n```").append(kCallEnd);
    if (!first) out_.append(kCallsEnd).append(end_);
  }

  std::string out_;
  std::string_view end_;
  bool called_ = false;     ///< there was a call
  bool responded_ = false;  ///< there was a response
  bool responses_ = false;  ///< the last turn was one
};

}  // namespace

/// The last system's message goes before everything, without a mark. Thinking of earlier answers is left out,
/// and a new one begins with it.
std::string render_deepseek_r1(const Family& family, const Conversation& chat) {
  R1Text text(family.bos, family.end);
  std::string_view system;
  for (const ChatMessage& message : chat.messages) {
    if (message.role == "system") system = message.content;
  }
  text.system(system);
  for (const ChatMessage& message : chat.messages) text.add(message);
  return text.take(chat.prompt);
}

}  // namespace anemll::text
