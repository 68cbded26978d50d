// What tests of options share: a variable for a while, and the text of a refusal.
#pragma once

#include "anemll/core/error.hpp"

#include <cstdlib>
#include <string>

#include <boost/test/unit_test.hpp>

namespace anemll::test {

/// Set for its lifetime.
struct Environment {
  Environment(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~Environment() { ::unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  const char* name_;
};

/// Runs `body`, which must end in a usage error, and returns its text.
template <class Body>
std::string usage_error(const Body& body) {
  try {
    body();
  } catch (const Error& e) {
    BOOST_TEST((e.code() == ExitCode::usage));
    return e.what();
  }
  BOOST_ERROR("no error was thrown");
  return {};
}

}  // namespace anemll::test
