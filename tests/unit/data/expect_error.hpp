// Runs something that must fail with an anemll::Error and checks code and message.
#pragma once

#include "anemll/core/error.hpp"
#include "tests/support/refusals.hpp"

#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll::test {

template <class Action>
void expect_error(const Action& action, ExitCode code, const std::vector<std::string>& parts) {
  try {
    action();
  } catch (const Error& error) {
    BOOST_TEST(static_cast<int>(error.code()) == static_cast<int>(code), error.what());
    if (code == ExitCode::data) helps(error);
    heard().append(error.problem()).append("\n");
    for (const std::string& part : parts) {
      BOOST_TEST(std::string(error.what()).find(part) != std::string::npos,
                 "\"" << part << "\" is not in: " << error.what());
    }
    return;
  }
  BOOST_ERROR("no error was thrown");
}

template <class Action>
void expect_data_error(const Action& action, const std::vector<std::string>& parts) {
  expect_error(action, ExitCode::data, parts);
}

}  // namespace anemll::test
