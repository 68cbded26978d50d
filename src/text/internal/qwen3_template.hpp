// The Qwen3 hybrid-thinking template: its versions, and its turns. Pure, any thread.
#pragma once

#include "anemll/text/chat_template.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace anemll::text {

/// Whether the template of this outline renders system, user and assistant messages and the generation prompt
/// as here; what it does with tools and their responses does not matter.
bool is_qwen3_outline(std::string_view outline);
/// Whether it renders tools, their calls and responses as here too.
bool has_qwen3_tools(std::string_view outline);

/// All turns, without the generation prompt. Roles that the template does not know print nothing. `tools`:
/// the descriptions of tools, each as JSON.
std::string render_qwen3(const std::vector<ChatMessage>& messages, const std::vector<std::string>& tools);

/// The index of the last message that a person wrote; the last index when there is none. Thinking is printed
/// behind it only.
std::size_t last_query(const std::vector<ChatMessage>& messages);

}  // namespace anemll::text
