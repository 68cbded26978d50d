// The turns of the Qwen3 hybrid-thinking template. Pure, any thread.
#pragma once

#include "anemll/text/chat_template.hpp"

#include <string>
#include <vector>

namespace anemll::text {

/// All turns, without the generation prompt. Roles that the template does not know print nothing.
std::string render_qwen3(const std::vector<ChatMessage>& messages);

}  // namespace anemll::text
