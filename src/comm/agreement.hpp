// What the ranks of a job must have in common before they compute together: options, build, files. Ranks that
// differ would mix results or wait for each other for ever. All functions are collective.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/options.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace anemll {

/// Parses every rank's own command line, then gives all of them rank 0's values of the options that ranks
/// share; rank 0 warns with a table of what was said differently. A mistake on any rank is every rank's
/// error. Ranks of different builds are a usage error. Returns rank 0's outcome.
OptionTable::Outcome parse_together(OptionTable& table, int argc, const char* const* argv,
                                    Communicator& comm);

/// Throws the first failing rank's error, on every rank; none where no rank has one. `place`: what is added
/// to the problem unless all ranks say the same, by default "on rank N".
void throw_first_failure(Communicator& comm, const std::optional<Error>& mine, std::string place = "");

/// Facts of this rank that must be the same on all.
class Agreement {
 public:
  /// `kind`: the exit code when ranks differ: usage (settings, builds), data (files), communication (what
  /// they have computed). `hint`: the remedy. `problem`: what stands over the table.
  explicit Agreement(ExitCode kind, std::string hint, std::string problem = "the ranks do not agree")
      : kind_(kind), hint_(std::move(hint)), problem_(std::move(problem)) {}
  void add(std::string key, std::string value) { facts_.emplace_back(std::move(key), std::move(value)); }
  /// Compares a hash of the facts; where it differs every rank throws the same error, which holds a table:
  /// key, the value of rank 0, the others'.
  void check(Communicator& comm) const;

 private:
  ExitCode kind_;
  std::string hint_;
  std::string problem_;
  std::vector<std::pair<std::string, std::string>> facts_;
};

}  // namespace anemll
