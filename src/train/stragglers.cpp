#include "src/train/internal/stragglers.hpp"

#include "anemll/core/log.hpp"
#include "src/core/platform.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace anemll {

std::string straggler_text(std::span<const RankPace> paces, std::span<const std::string> hosts) {
  const auto slower = [](const RankPace& a, const RankPace& b) { return a.busy_s < b.busy_s; };
  const auto slowest = std::max_element(paces.begin(), paces.end(), slower);
  std::vector<RankPace> sorted(paces.begin(), paces.end());
  std::sort(sorted.begin(), sorted.end(), slower);
  const double median = sorted[(sorted.size() - 1) / 2].busy_s;  // of two ranks the faster one
  const auto rank = static_cast<std::size_t>(slowest - paces.begin());
  const double busy = std::max(slowest->busy_s, 1e-9);
  return strf("slowest rank: %zu on %s, %.2fx the median, %.0f%% of it waiting for data", rank,
              hosts[rank].c_str(), busy / std::max(median, 1e-9),
              100 * std::min(slowest->data_s / busy, 1.0));
}

void Stragglers::observe(double step_s, double reduction_s, double data_wait_s) {
  pace_.busy_s += step_s - reduction_s;
  waiting_s_ = data_wait_s;
}

void Stragglers::tell(Communicator& comm) {
  if (comm.size() == 1) return;
  pace_.data_s = waiting_s_ - waited_s_;
  waited_s_ = waiting_s_;
  std::vector<RankPace> paces(static_cast<std::size_t>(comm.size()));
  comm.all_gather(std::as_bytes(std::span(&pace_, 1)), std::as_writable_bytes(std::span(paces)));
  pace_ = {};
  if (hosts_.empty()) hosts_ = gather_strings(comm, host_name());
  if (comm.is_root()) log_info(straggler_text(paces, hosts_));
}

}  // namespace anemll
