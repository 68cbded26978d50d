// Options that only some runs read. Each program has one table of "X has no effect where Y", and what was
// given for nothing is told at its start.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace anemll {

/// A row of such a table. `Facts`: what the program knows about the run when it looks at the table.
template <class Facts>
struct OptionEffect {
  std::string option;   ///< its name without dashes
  std::string because;  ///< ends the sentence "--option has no effect ..."
  std::function<bool(const Facts&)> unread;
};

struct UnreadOption {
  std::string option;
  std::string because;

  std::string text() const;  ///< one sentence without a full stop
};

/// The options that `given(name)` names and the run does not read, in the order of the table. An option with
/// several rows is told once, with its first reason.
template <class Facts, class Given>
std::vector<UnreadOption> unread_options(const std::vector<OptionEffect<Facts>>& table, const Facts& facts,
                                         const Given& given) {
  std::vector<UnreadOption> found;
  std::set<std::string> told;
  for (const OptionEffect<Facts>& row : table) {
    if (!given(row.option) || !row.unread(facts) || !told.insert(row.option).second) continue;
    found.push_back({row.option, row.because});
  }
  return found;
}

/// What to do about every one of them.
inline constexpr const char* kDropIt = "drop it";

/// A warning for each.
void tell_unread(const std::vector<UnreadOption>& options);

}  // namespace anemll
