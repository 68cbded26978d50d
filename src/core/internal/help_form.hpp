// What --help is asked to print: text for people, or the option table for other programs. Private to
// src/core.
#pragma once

#include "anemll/core/choices.hpp"

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anemll {

enum class HelpForm { text, markdown, json };
inline constexpr auto kHelpForms = std::to_array<Choice<HelpForm>>(
    {{HelpForm::text, "text"}, {HelpForm::markdown, "markdown"}, {HelpForm::json, "json"}});
constexpr std::span<const Choice<HelpForm>> choices_of(HelpForm) {
  return kHelpForms;
}

/// What -h, --help or --help=FORM asks for, whatever else stands on the line before "--"; nothing without
/// them. A usage error for another word.
std::optional<HelpForm> help_form(const std::vector<std::string>& args);

}  // namespace anemll
