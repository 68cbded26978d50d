// Recognition of templates by their outline, and ChatML. The rules of Qwen3 are in qwen3_template.cpp.
#include "anemll/text/chat_template.hpp"

#include "anemll/core/error.hpp"
#include "src/text/internal/jinja_outline.hpp"
#include "src/text/internal/qwen3_template.hpp"
#include "src/text/utf8.hpp"

#include <array>

namespace anemll {
namespace {

struct Name {
  ChatFormat format;
  std::string_view name;
};
constexpr std::array kNames = {Name{ChatFormat::qwen3, "qwen3"}, Name{ChatFormat::chatml, "chatml"},
                               Name{ChatFormat::smollm2, "smollm2"}};
constexpr const char* kChoices = "qwen3, chatml, smollm2";

constexpr std::string_view kSmolSystem =
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face";

constexpr std::string_view kTurns =
    R"(print message.role
text \n
print message.content
text <|im_end|>\n
do endfor
do if add_generation_prompt
text <|im_start|>assistant\n
do endif
)";

bool is_chatml(std::string outline) {
  // Some files set the default of the generation prompt first.
  for (const std::string_view prefix :
       {"do if not add_generation_prompt is defined\ndo set add_generation_prompt=false\ndo endif\n",
        "do if add_generation_prompt is not defined\ndo set add_generation_prompt=false\ndo endif\n"}) {
    if (outline.starts_with(prefix)) outline.erase(0, prefix.size());
  }
  return outline == "do for message in messages\ntext <|im_start|>\n" + std::string(kTurns);
}

bool is_smollm2(const std::string& outline) {
  return outline ==
         "do for message in messages\ndo if loop.first and messages[0].role!=\"system\"\ntext "
         "<|im_start|>system\\n" +
             std::string(kSmolSystem) + "<|im_end|>\\n\ndo endif\ntext <|im_start|>\n" + std::string(kTurns);
}

void render_turn(std::string& out, std::string_view role, std::string_view content) {
  out.append("<|im_start|>").append(role).append("\n").append(content).append("<|im_end|>\n");
}

/// Bytes of white space that `text` begins with, in the sense of Python's \s.
std::size_t leading_space(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t bytes = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (text.size() - at < bytes) break;
    const char32_t value = text::code_point_at(text.data() + at).value;
    const text::CharClass kind = text::class_of(value);
    const bool separator = value >= 0x1c && value <= 0x1f;
    if (!separator && kind != text::CharClass::space && kind != text::CharClass::newline) break;
    at += bytes;
  }
  return at;
}

}  // namespace

ChatTemplate ChatTemplate::named(std::string_view name) {
  for (const Name& known : kNames) {
    if (known.name == name) return ChatTemplate(known.format);
  }
  throw_usage("there is no chat template '" + std::string(name) + "'", "--chat-template",
              std::string("give one of: ") + kChoices);
}

ChatTemplate ChatTemplate::recognise(std::string_view jinja, const std::string& where) {
  const std::string outline = text::jinja_outline(jinja);
  if (text::is_qwen3_outline(outline)) return ChatTemplate(ChatFormat::qwen3, text::has_qwen3_tools(outline));
  if (is_smollm2(outline)) return ChatTemplate(ChatFormat::smollm2);
  if (is_chatml(outline)) return ChatTemplate(ChatFormat::chatml);
  throw_data(
      jinja.empty() ? "the model has no chat template" : "the chat template is not one of the known ones",
      where,
      std::string("give --chat-template with one of: ") + kChoices +
          "; or --no-template for the messages without one");
}

std::string ChatTemplate::name() const {
  for (const Name& known : kNames) {
    if (known.format == format_) return std::string(known.name);
  }
  return {};
}

bool ChatTemplate::knows_role(std::string_view role) const {
  return role == "system" || role == "user" || role == "assistant" || (role == "tool" && tools_);
}

bool ChatTemplate::prints_thinking(const std::vector<ChatMessage>& messages, std::size_t i) const {
  return format_ == ChatFormat::qwen3 && messages[i].role == "assistant" && i > text::last_query(messages);
}

std::string ChatTemplate::render(const std::vector<ChatMessage>& messages, bool enable_thinking,
                                 bool add_generation_prompt, const std::vector<std::string>& tools) const {
  std::string out;
  if (format_ == ChatFormat::qwen3) {
    out = text::render_qwen3(messages, tools);
  } else {
    if (format_ == ChatFormat::smollm2 && !messages.empty() && messages.front().role != "system")
      render_turn(out, "system", kSmolSystem);
    for (const ChatMessage& message : messages) render_turn(out, message.role, message.content);
  }
  if (add_generation_prompt) {
    out += "<|im_start|>assistant\n";
    if (has_thinking_switch() && !enable_thinking) out += "<think>\n\n</think>\n\n";
  }
  return out;
}

std::string strip_thinking(std::string_view text) {
  constexpr std::string_view kOpen = "<think>";
  constexpr std::string_view kClose = "</think>";
  std::string out;
  std::size_t at = 0;
  while (true) {
    const std::size_t open = text.find(kOpen, at);
    const std::size_t close = open == std::string_view::npos ? open : text.find(kClose, open + kOpen.size());
    if (close == std::string_view::npos) break;
    out.append(text, at, open - at);
    at = close + kClose.size();
    at += leading_space(text.substr(at));
  }
  return out.append(text, at);
}

}  // namespace anemll
