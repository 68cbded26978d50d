// The words about options without effect.
#include "src/core/option_effects.hpp"

#include "anemll/core/log.hpp"

namespace anemll {

std::string UnreadOption::text() const {
  return "--" + option + " has no effect " + because;
}

void tell_unread(const std::vector<UnreadOption>& options) {
  for (const UnreadOption& one : options) log_warning(one.text() + " (" + kDropIt + ")");
}

}  // namespace anemll
