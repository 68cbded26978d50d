// Checks of what a program said: for tests that use programs from the outside.
#pragma once

#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll::test {

inline bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
inline bool says(const ToolResult& result, const std::string& part) {
  return says(result.output, part);
}

/// It ended with `code` and said all `parts`.
inline void expect(const ToolResult& result, int code, const std::vector<std::string>& parts) {
  BOOST_TEST(result.code == code, result.output);
  for (const std::string& part : parts)
    BOOST_TEST(says(result, part), "no '" << part << "' in: " << result.output);
}

/// A run whose answer and log are told apart.
struct Answer {
  int code = 0;
  std::string out;  ///< stdout
  std::string log;  ///< stderr
};
inline Answer ask(const std::string& command) {
  const TempDir dir;
  const auto out = dir / "out";
  const ToolResult result = run("( " + command + " > " + out.string() + " )");
  return {result.code, read_all(out), result.output};
}

/// It ends with `code`, says `part` and a hint, and answers nothing.
inline void refused(const std::string& command, int code, const std::string& part) {
  const Answer answer = ask(command);
  BOOST_TEST(answer.code == code, answer.log);
  BOOST_TEST(says(answer.log, part), "no '" << part << "' in: " << answer.log);
  BOOST_TEST(says(answer.log, "hint:"), answer.log);
  BOOST_TEST(answer.out.empty(), answer.out);
}

}  // namespace anemll::test
