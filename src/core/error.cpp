// The text of an Error, and the four ways to throw one.
#include "anemll/core/error.hpp"

namespace anemll {
namespace {

std::string compose(const std::string& what, const std::string& where, const std::string& hint) {
  std::string text = where.empty() ? what : where + ": " + what;
  if (!hint.empty()) text += "\n  hint: " + hint;
  return text;
}

}  // namespace

Error::Error(ExitCode code, const std::string& what, const std::string& where, const std::string& hint)
    : std::runtime_error(compose(what, where, hint)),
      code_(code),
      problem_(what),
      where_(where),
      hint_(hint) {}

void throw_usage(const std::string& what, const std::string& where, const std::string& hint) {
  throw Error(ExitCode::usage, what, where, hint);
}
void throw_data(const std::string& what, const std::string& where, const std::string& hint) {
  throw Error(ExitCode::data, what, where, hint);
}
void throw_comm(const std::string& what, const std::string& where, const std::string& hint) {
  throw Error(ExitCode::communication, what, where, hint);
}
void throw_numerics(const std::string& what, const std::string& where, const std::string& hint) {
  throw Error(ExitCode::numerics, what, where, hint);
}

}  // namespace anemll
