// One exception type for everything a person can act on: what went wrong, where, and a hint.
// Library code throws it; only main() turns it into text and an exit code.
#pragma once

#include <stdexcept>
#include <string>

namespace anemll {

/// Process exit codes, stable across all tools. `save_and_requeue` is EX_TEMPFAIL: run me again.
enum class ExitCode : int {
  done = 0,
  unexpected = 1,     ///< a bug, or a library's own exception: please report it
  usage = 2,          ///< command line or configuration
  data = 3,           ///< a file or its content
  communication = 4,  ///< MPI, NCCL, a lost rank
  numerics = 5,       ///< NaN, a failed verification
  save_and_requeue = 75,
};

class Error : public std::runtime_error {
 public:
  /// `what`: the problem. `where`: file, key or flag (may be empty). `hint`: the remedy (may be empty).
  Error(ExitCode code, const std::string& what, const std::string& where = {}, const std::string& hint = {});

  /// what() is all three in one text for logs; these are its parts.
  const std::string& problem() const noexcept { return problem_; }
  const std::string& where() const noexcept { return where_; }
  const std::string& hint() const noexcept { return hint_; }
  ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
  std::string problem_;
  std::string where_;
  std::string hint_;
};

[[noreturn]] void throw_usage(const std::string& what, const std::string& where, const std::string& hint);
[[noreturn]] void throw_data(const std::string& what, const std::string& where, const std::string& hint);
[[noreturn]] void throw_comm(const std::string& what, const std::string& where, const std::string& hint);
[[noreturn]] void throw_numerics(const std::string& what, const std::string& where, const std::string& hint);

}  // namespace anemll
