#include "src/plots/terminal.hpp"

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <cstring>

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace anemll {
namespace {

/// COLUMNS and LINES, which a person may set where output is no terminal.
std::size_t size_in(const char* variable, std::size_t otherwise) {
  const char* text = std::getenv(variable);
  const long value = text != nullptr ? std::strtol(text, nullptr, 10) : 0;
  return value > 0 && value < 10000 ? static_cast<std::size_t>(value) : otherwise;
}

bool is_set(const char* variable) {
  const char* text = std::getenv(variable);
  return text != nullptr && *text != '\0';
}

}  // namespace

TerminalFacts look_at_terminal() {
  TerminalFacts facts;
  std::setlocale(LC_CTYPE, "");
  const char* codeset = ::nl_langinfo(CODESET);
  facts.utf8 = codeset != nullptr && std::strcmp(codeset, "UTF-8") == 0;
  const char* term = std::getenv("TERM");
  facts.is_terminal = ::isatty(STDOUT_FILENO) != 0 && (term == nullptr || std::strcmp(term, "dumb") != 0);
  winsize size{};
  if (::isatty(STDOUT_FILENO) != 0 && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    facts.columns = size.ws_col;
    facts.lines = std::max<std::size_t>(size.ws_row, 8);
  } else {
    facts.columns = size_in("COLUMNS", facts.columns);
    facts.lines = size_in("LINES", facts.lines);
  }
  facts.color = facts.is_terminal && !is_set("NO_COLOR");
  return facts;
}

}  // namespace anemll
