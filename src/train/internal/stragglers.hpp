// Which rank the others wait for.
#pragma once

#include "anemll/comm/communicator.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace anemll {

/// What a rank did since the last line.
struct RankPace {
  double busy_s = 0;  ///< in steps, without waiting for other ranks
  double data_s = 0;  ///< of that, waiting for a batch
};

/// "slowest rank: 3 on b, 1.80x the median, 60% of it waiting for data". `hosts` by rank, as many as `paces`.
std::string straggler_text(std::span<const RankPace> paces, std::span<const std::string> hosts);

class Stragglers {
 public:
  /// Of a step: its length, and what of it was spent waiting for the other ranks; and the wait for data since
  /// the run began.
  void observe(double step_s, double reduction_s, double data_wait_s);
  /// A line on rank 0 about the steps since the last one; none on one rank. Collective.
  void tell(Communicator& comm);

 private:
  RankPace pace_;
  double waited_s_ = 0;  ///< for data, up to the last line
  double waiting_s_ = 0;
  std::vector<std::string> hosts_;  ///< by rank, from the first line on
};

}  // namespace anemll
