// Tests with real models, which are too big for this repository: they lie in the folder ANEMLL_TEST_MODELS.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll::test {

inline std::filesystem::path test_models() {
  const char* root = std::getenv("ANEMLL_TEST_MODELS");
  return root != nullptr ? root : "";
}

/// A decorator: without these entries of the folder the test case is reported as skipped.
inline boost::unit_test::precondition needs_models(std::vector<std::string> names) {
  return boost::unit_test::precondition([names = std::move(names)](boost::unit_test::test_unit_id) {
    boost::test_tools::assertion_result found(true);
    for (const std::string& name : names) {
      if (!test_models().empty() && std::filesystem::exists(test_models() / name)) continue;
      found = false;
      found.message() << "ANEMLL_TEST_MODELS/" << name << " is not there. ";
    }
    return found;
  });
}

}  // namespace anemll::test
