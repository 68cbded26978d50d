// A document as the texts it contributes to a cache: chat template, thinking variants, stripping.
#pragma once

#include "anemll/core/inventory.hpp"
#include "anemll/datasets/dataset.hpp"
#include "anemll/teacher/precompute_choices.hpp"
#include "anemll/text/chat_template.hpp"

#include <optional>
#include <string>
#include <vector>

namespace anemll {

/// Texts in the order of the reference: `on` is the template with thinking enabled; `off` with thinking
/// disabled and every think block removed; `both` is off, on; `none` joins the contents of the messages by a
/// blank line; `all` is on, off, none. A template without a place for thinking has no `on`: it gives `off`
/// for it, and `both` and `all` hold that text once. Without a template every variant is `none`'s. Plain
/// documents are their text.
///
/// The document is one that `fit_to_template` looked at.
std::vector<std::string> render_variants(const Document& document, const std::optional<ChatTemplate>& chat,
                                         Thinking thinking);

/// Takes out of a conversation what the template has no rule for (turns of unknown roles, tools), and counts
/// that and what none of the variants prints. Of a conversation that the template itself refuses nothing is
/// left. `thinking_asked`: the user chose the variants, so thinking that they leave out is left out as asked.
void fit_to_template(Document& document, const std::optional<ChatTemplate>& chat, Thinking thinking,
                     bool thinking_asked, Inventory& inventory);
/// What to tell who asks for texts that this template does not make; empty when there is nothing to tell.
std::string thinking_notice(const ChatTemplate& chat, Thinking thinking);

}  // namespace anemll
