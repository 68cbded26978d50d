// Chat templates as rules: a model's Jinja text is recognised, not executed. Immutable, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace anemll {

struct ChatMessage {
  std::string role;     ///< "system", "user", "assistant", "tool"
  std::string content;  ///< UTF-8
  std::string reasoning_content;
};

enum class ChatFormat {
  qwen3,    ///< Qwen3 hybrid thinking
  chatml,   ///< <|im_start|>role ... <|im_end|>, no default system message
  smollm2,  ///< ChatML with SmolLM2's default system message
};

class ChatTemplate {
 public:
  explicit ChatTemplate(ChatFormat format) : format_(format) {}
  /// By name ("qwen3", "chatml", "smollm2"); a usage error lists the choices.
  static ChatTemplate named(std::string_view name);
  /// By the Jinja text of a model (`where` names it in messages). A template that is not recognised is a data
  /// error whose hint names --chat-template with the choices and --no-template.
  static ChatTemplate recognise(std::string_view jinja, const std::string& where);

  ChatFormat format() const { return format_; }
  std::string name() const;
  /// Whether enable_thinking changes anything that this template renders.
  bool has_thinking_switch() const { return format_ == ChatFormat::qwen3; }
  std::string render(const std::vector<ChatMessage>& messages, bool enable_thinking,
                     bool add_generation_prompt) const;

 private:
  ChatFormat format_;
};

/// Removes every <think>...</think> with the white space after it.
std::string strip_thinking(std::string_view text);

}  // namespace anemll
