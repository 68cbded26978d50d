#include "src/core/internal/help_form.hpp"

#include "anemll/core/error.hpp"
#include "src/core/printable.hpp"

#include <string_view>

namespace anemll {

std::optional<HelpForm> help_form(const std::vector<std::string>& args) {
  constexpr std::string_view kWithForm = "--help=";
  for (const std::string& arg : args) {
    if (arg == "--") return std::nullopt;
    if (arg == "--help" || arg == "-h") return HelpForm::text;
    if (!arg.starts_with(kWithForm)) continue;
    const std::string word = arg.substr(kWithForm.size());
    if (const auto form = choice_named<HelpForm>(word)) return form;
    throw_usage("there is no help as '" + printable(word) + "'", "--help",
                "give --help, --help=markdown or --help=json");
  }
  return std::nullopt;
}

}  // namespace anemll
