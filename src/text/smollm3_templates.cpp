// SmolLM3: a system's turn with data about the model and the tools, whose text chooses the mode of thinking
// too.
#include "src/text/internal/python_repr.hpp"
#include "src/text/internal/python_strip.hpp"
#include "src/text/internal/template_families.hpp"

namespace anemll::text {
namespace {

constexpr std::string_view kOverride = "/system_override";

/// Said in place of a system's message in the mode with thinking.
constexpr std::string_view kThinker =
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face. Your role as an assistant "
    "involves "
    "thoroughly exploring questions through a systematic thinking process before providing the final precise "
    "and accurate solutions. This requires engaging in a comprehensive cycle of analysis, summarizing, "
    "exploration, reassessment, reflection, backtracking, and iteration to develop well-considered thinking "
    "process. Please structure your response into two main sections: Thought and Solution using the "
    "specified "
    "format: <think> Thought section </think> Solution section. In the Thought section, detail your "
    "reasoning "
    "process in steps. Each step should include detailed considerations such as analysing questions, "
    "summarizing relevant findings, brainstorming new ideas, verifying the accuracy of the current steps, "
    "refining any errors, and revisiting previous steps. In the Solution section, based on various attempts, "
    "explorations, and reflections from the Thought section, systematically present the final solution that "
    "you deem correct. The Solution section should be logical, accurate, and concise and detail necessary "
    "steps needed to reach the conclusion.";

std::string without(std::string_view text, std::string_view part) {
  std::string out;
  for (std::size_t at; (at = text.find(part)) != std::string_view::npos; text.remove_prefix(at + part.size()))
    out += text.substr(0, at);
  return out.append(text);
}

/// What the system's message asks for.
struct System {
  bool thinking;
  bool override_all = false;
  std::string text = {};
};

System system_of(const Conversation& chat) {
  System system{chat.thinking};
  if (chat.messages.empty() || chat.messages.front().role != "system") return system;
  const std::string& text = chat.messages.front().content;
  if (text.find("/no_think") != std::string::npos) {
    system.thinking = false;
  } else if (text.find("/think") != std::string::npos) {
    system.thinking = true;
  }
  system.override_all = text.find(kOverride) != std::string::npos;
  system.text = right_stripped(without(without(text, "/no_think"), "/think"));
  return system;
}

/// Python's print of every tool. With tools the system's turn is closed.
void append_tools(std::string& out, const std::vector<std::string>& tools) {
  out +=
      "### Tools\n\nYou may call one or more functions to assist with the user query.\nYou are provided with "
      "function signatures within <tools></tools> XML tags:\n\n<tools>\n";
  for (const std::string& tool : tools) out.append(python_repr(tool)).append("\n");
  out +=
      "</tools>\n\nFor each function call, return a json object with function name and arguments within "
      "<tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": "
      "<args-json-object>}\n</tool_call>\n\n<|im_end|>\n";
}

}  // namespace

/// The original leaves the system's turn open where there are no tools, and has a date. The form of the GGUF
/// files closes it, has no date, and leaves tools out. Both leave calls out, which the model writes as text.
std::string render_smollm3(const Family& family, const Conversation& chat) {
  const bool original = family.format == ChatFormat::smollm3;
  const System system = system_of(chat);
  std::string out = "<|im_start|>system\n";
  if (original && system.override_all) {
    out.append(right_stripped(without(system.text, kOverride))).append("<|im_end|>\n");
  } else {
    out += "## Metadata\n\nKnowledge Cutoff Date: June 2025\n";
    if (!chat.date.empty()) out.append("Today Date: ").append(chat.date).append("\n");
    out.append("Reasoning Mode: ").append(system.thinking ? "/think" : "/no_think").append("\n\n");
    out += "## Custom Instructions\n\n";
    out += !system.text.empty() ? std::string_view(system.text) : system.thinking ? kThinker : family.system;
    out += "\n\n";
    if (!original) out += "<|im_end|>\n";
    if (original && !chat.tools.empty()) append_tools(out, chat.tools);
  }
  constexpr std::string_view kNoThought = "<think>\n\n</think>\n";
  for (const ChatMessage& message : chat.messages) {
    if (message.role == "user" || message.role == "tool") {
      out.append("<|im_start|>user\n").append(message.content).append("<|im_end|>\n");
    } else if (message.role == "assistant") {
      out.append("<|im_start|>assistant\n").append(system.thinking ? "" : kNoThought);
      out.append(without_leading_lines(message.content)).append("<|im_end|>\n");
    }
  }
  if (chat.prompt) out.append("<|im_start|>assistant\n").append(system.thinking ? "" : kNoThought);
  return out;
}

}  // namespace anemll::text
