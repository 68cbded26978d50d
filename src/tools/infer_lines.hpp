// Lines that a person types: edited and remembered on a terminal, read as they are from anything else.
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace anemll {

class LineReader {
 public:
  /// `prompt` is shown on a terminal alone; `program` names the section of the user's editrc.
  LineReader(const std::string& program, const std::string& prompt);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  /// Whether a person types the lines.
  bool is_terminal() const { return terminal_ != nullptr; }
  /// The next line without its end; empty where Ctrl-C dropped it; nothing at the end of the input.
  std::optional<std::string> next();

 private:
  struct Terminal;
  std::unique_ptr<Terminal> terminal_;  // null for a file or pipe
};

}  // namespace anemll
