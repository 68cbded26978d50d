// Chat templates as rules: a model's Jinja text is recognised, not executed. Immutable, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {

/// An assistant's call of a tool. `arguments`: as the template prints them, JSON text.
struct ToolCall {
  std::string name;
  std::string arguments;
};

struct ChatMessage {
  std::string role;     ///< "system", "user", "assistant", "tool"
  std::string content;  ///< UTF-8
  std::string reasoning_content = {};
  std::vector<ToolCall> tool_calls = {};
};

enum class ChatFormat {
  qwen3,    ///< Qwen3 hybrid thinking
  chatml,   ///< <|im_start|>role ... <|im_end|>, no default system message
  smollm2,  ///< ChatML with SmolLM2's default system message
};

class ChatTemplate {
 public:
  /// With `tools`: the rules for tools, their calls and responses are used where the format has some.
  explicit ChatTemplate(ChatFormat format, bool tools = true)
      : format_(format), tools_(tools && format == ChatFormat::qwen3) {}
  /// By name ("qwen3", "chatml", "smollm2"); a usage error lists the choices.
  static ChatTemplate named(std::string_view name);
  /// By the Jinja text of a model (`where` names it in messages). A template that is not recognised is a data
  /// error whose hint names --chat-template with the choices and --no-template.
  static ChatTemplate recognise(std::string_view jinja, const std::string& where);

  ChatFormat format() const { return format_; }
  std::string name() const;
  /// Whether enable_thinking changes anything that this template renders.
  bool has_thinking_switch() const { return format_ == ChatFormat::qwen3; }
  /// Whether it has a rule for tools, their calls and responses. A recognised template whose own rule for
  /// them is not the known one has none.
  bool has_tools() const { return tools_; }
  /// Whether it has a rule for messages of this role.
  bool knows_role(std::string_view role) const;
  /// Whether reasoning_content of message `i` is printed when thinking is enabled.
  bool prints_thinking(const std::vector<ChatMessage>& messages, std::size_t i) const;

  /// `tools`: descriptions of tools, each as JSON. What has no rule must be taken out before: knows_role.
  std::string render(const std::vector<ChatMessage>& messages, bool enable_thinking,
                     bool add_generation_prompt, const std::vector<std::string>& tools = {}) const;

 private:
  ChatFormat format_;
  bool tools_;
};

/// Removes every <think>...</think> with the white space after it.
std::string strip_thinking(std::string_view text);

}  // namespace anemll
