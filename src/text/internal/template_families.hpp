// The one table of chat templates: what each family is called, how it is recognised, and what renders it.
// Pure, any thread.
#pragma once

#include "anemll/text/chat_template.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anemll::text {

/// What one text is made of.
struct Conversation {
  const std::vector<ChatMessage>& messages;
  const std::vector<std::string>& tools;
  bool thinking;          ///< enable_thinking
  bool prompt;            ///< with the beginning of an answer
  std::string_view date;  ///< of the line "Today Date"; empty for none
};

/// What becomes of an assistant's calls.
enum class CallRule : std::uint8_t {
  none,        ///< they are not printed
  with_text,   ///< behind the turn's text
  for_text,    ///< in place of the turn's text
  without_it,  ///< of turns without text only
};

struct Family {
  ChatFormat format;
  std::string_view name;
  std::string (*render)(const Family&, const Conversation&);
  std::string_view start, end;   ///< the tokens around a turn, a blank between two
  std::string_view bos = {};     ///< the token that a text begins with
  std::string_view system = {};  ///< the system's message where the conversation has none
  std::string_view stops = {};   ///< tokens beside `end` that an answer can end with, a blank between two
  bool tools = false;            ///< descriptions of tools
  CallRule calls = CallRule::none;
  bool responses = false;        ///< of tools, the turns of the role "tool"
  bool reasoning = false;        ///< reasoning_content is read
  bool thinking = false;         ///< its texts can hold think blocks
  bool thinking_switch = false;  ///< enable_thinking changes its texts
  bool date = false;             ///< has a line "Today Date"
  /// Why the template itself refuses a conversation; empty when it does not.
  std::string (*refusal)(const Conversation&) = nullptr;
};

std::span<const Family> families();
const Family& family_of(ChatFormat format);

/// The family whose template has this outline, and whether its rules for tools are the known ones.
struct Recognised {
  ChatFormat format;
  bool tools;
};
std::optional<Recognised> recognise_outline(std::string_view outline);

/// Of an outline that is not known: the family that looks most like it, and the first line of text that this
/// one never prints (empty where only statements differ). Nothing where no family has its tokens.
struct Nearest {
  std::string_view name;
  std::string foreign;
};
std::optional<Nearest> nearest_family(std::string_view outline);

// The renderers of the table.
std::string render_chatml(const Family&, const Conversation&);
std::string render_deepseek_r1(const Family&, const Conversation&);
std::string render_gemma(const Family&, const Conversation&);
std::string render_llama3(const Family&, const Conversation&);
std::string render_llama31(const Family&, const Conversation&);
std::string render_qwen25(const Family&, const Conversation&);
std::string render_qwen3(const Family&, const Conversation&);
std::string render_smollm3(const Family&, const Conversation&);

std::string refusal_of_gemma2(const Conversation&);
std::string refusal_of_gemma3(const Conversation&);
std::string refusal_of_llama31(const Conversation&);

/// The index of the last message that a person wrote; the last index when there is none. Qwen3 prints
/// thinking behind it only.
std::size_t last_query(const std::vector<ChatMessage>& messages);

}  // namespace anemll::text
