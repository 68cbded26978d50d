// Chat templates as rules: a model's Jinja text is recognised, not executed. Immutable, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
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

/// The families of templates; their names and properties are one table in src/text.
enum class ChatFormat : std::uint8_t {
  qwen3,            ///< Qwen3 hybrid thinking
  qwen3_thinking,   ///< Qwen3 of July 2025 that always thinks
  qwen3_instruct,   ///< Qwen3 of July 2025 that never does
  qwen2_5,          ///< Qwen2.5 Instruct
  qwen2_5_base,     ///< the same with the base models' system message
  qwen2,            ///< ChatML with Qwen2's default system message
  chatml,           ///< <|im_start|>role ... <|im_end|>, no default system message
  smollm2,          ///< ChatML with SmolLM2's default system message
  smollm3,          ///< SmolLM3
  smollm3_unsloth,  ///< SmolLM3 as many GGUF files have it
  llama3,           ///< Llama 3
  llama3_1,         ///< Llama 3.1, 3.2 and 3.3
  gemma2,           ///< Gemma 2
  gemma3,           ///< Gemma 3
  deepseek_r1,      ///< DeepSeek-R1-Distill
};

class ChatTemplate {
 public:
  /// With `tools`: the rules for tools, their calls and responses are used where the format has some.
  explicit ChatTemplate(ChatFormat format, bool tools = true);
  /// By name ("qwen3", "chatml", ...); a usage error lists the choices.
  static ChatTemplate named(std::string_view name);
  /// By the Jinja text of a model (`where` names it in messages: TextModel::template_source). A template that
  /// is not recognised is a data error that names the nearest family, and whose hint names --chat-template
  /// with the choices, --no-template, and texts rendered elsewhere.
  static ChatTemplate recognise(std::string_view jinja, const std::string& where);
  /// All names, with commas.
  static std::string choices();

  ChatFormat format() const { return format_; }
  std::string name() const;
  /// Whether enable_thinking changes anything that this template renders.
  bool has_thinking_switch() const;
  /// Whether its texts can hold think blocks.
  bool has_thinking() const;
  /// Whether it prints reasoning_content anywhere.
  bool reads_reasoning() const;
  /// Whether it describes tools. A recognised template whose own rules for tools, their calls and responses
  /// are not the known ones has none of them.
  bool has_tools() const;
  /// Whether it prints the calls of tools of an assistant's message.
  bool prints_calls(const ChatMessage& message) const;
  /// Whether it prints the text of an assistant's message, which calls can stand in place of.
  bool prints_text(const ChatMessage& message) const;
  /// Whether it has a rule for messages of this role.
  bool knows_role(std::string_view role) const;
  /// Whether reasoning_content of message `i` is printed when thinking is enabled.
  bool prints_thinking(const std::vector<ChatMessage>& messages, std::size_t i) const;
  /// Why the template itself refuses such a conversation (roles that do not alternate, ...); empty when it
  /// does not.
  std::string refusal(const std::vector<ChatMessage>& messages,
                      const std::vector<std::string>& tools = {}) const;

  /// For a template with a line "Today Date", which is left out without this. A usage error for others.
  void set_date(std::string date);
  /// The name, and the date where there is one: what caches and answers are compared by.
  std::string label() const;

  /// The special tokens that it writes.
  std::vector<std::string> marks() const;
  /// Tokens that end an answer.
  std::vector<std::string> stops() const;

  /// `tools`: descriptions of tools, each as JSON. What has no rule must be taken out before: knows_role. A
  /// conversation that the template refuses is a data error.
  std::string render(const std::vector<ChatMessage>& messages, bool enable_thinking,
                     bool add_generation_prompt, const std::vector<std::string>& tools = {}) const;

 private:
  ChatFormat format_;
  bool tools_;
  std::string date_;
};

/// Removes every <think>...</think> with the white space after it.
std::string strip_thinking(std::string_view text);

}  // namespace anemll
