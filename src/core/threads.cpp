// See threads.hpp.
#include "src/core/threads.hpp"

#include "anemll/core/log.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

namespace anemll {
namespace {

constexpr int kMostThreads = 4096;

/// "4" or "4,2" (threads of nested teams follow); nothing for anything else.
std::optional<int> first_number(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  int value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool ends = end == text.data() + text.size() || *end == ',' || *end == ' ';
  if (code != std::errc() || !ends || value < 1 || value > kMostThreads) return std::nullopt;
  return value;
}

}  // namespace

ThreadChoice choose_threads(int wanted, const char* omp_variable, int local_ranks,
                            const ProcessorLimits& limits) {
  const int ranks = std::max(1, local_ranks);
  const bool set = omp_variable != nullptr && *omp_variable != '\0';
  const std::optional<int> omp = set ? first_number(omp_variable) : std::nullopt;
  // A quota counts for all ranks of a container; a mask that a launcher gave to one rank is that rank's.
  const double mask = limits.bound ? limits.affinity : static_cast<double>(limits.affinity) / ranks;
  const bool by_quota = limits.quota && *limits.quota / ranks < mask;
  const double share = by_quota ? *limits.quota / ranks : mask;

  ThreadChoice choice;
  if (wanted > 0) {
    choice = {wanted, "--threads", ""};
  } else if (omp) {
    choice = {*omp, "OMP_NUM_THREADS", ""};
  } else {
    choice.threads = std::max(1, static_cast<int>(std::floor(share)));
    choice.reason = by_quota
                        ? strf("a CPU quota of %.3g", *limits.quota)
                        : strf("%d usable processor%s", limits.affinity, limits.affinity == 1 ? "" : "s");
    if (ranks > 1 && (by_quota || !limits.bound)) choice.reason += strf(" for %d ranks", ranks);
    if (const int enough = static_cast<int>(share * ranks); share < 1 && enough >= 1) {
      choice.reason += strf(", which take turns: %d rank%s would be faster and need %.0f%% of the memory",
                            enough, enough == 1 ? "" : "s", 100.0 * enough / ranks);
    }
    if (set)
      choice.warning = "OMP_NUM_THREADS=" + std::string(omp_variable) + " is no number of threads: not used";
  }
  const double used = choice.threads * (limits.bound ? 1.0 : static_cast<double>(ranks));
  const double all = std::min<double>(limits.affinity, limits.quota.value_or(limits.affinity));
  if ((wanted > 0 || omp) && used > std::ceil(all)) {
    choice.warning = strf("%d thread%s of %d rank%s share %.3g processors (%s): they wait for each other",
                          choice.threads, choice.threads == 1 ? "" : "s", ranks, ranks == 1 ? "" : "s", all,
                          limits.quota && *limits.quota < limits.affinity ? "a CPU quota"
                          : limits.bound                                  ? "this rank is bound to them"
                                                                          : "all that this process may use");
  }
  return choice;
}

}  // namespace anemll
