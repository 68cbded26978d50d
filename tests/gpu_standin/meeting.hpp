// Shared memory in which the ranks of a communicator meet, be they threads or processes: README.md.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace anemll::standin {

inline constexpr int kMostRanks = 16;
inline constexpr std::size_t kChunk = 16384;  ///< floats that travel at once

class Meeting {
 public:
  /// The first rank that comes makes the memory; it has no name any more once all ranks have come.
  Meeting(const std::string& name, int ranks, int rank);
  ~Meeting();
  Meeting(const Meeting&) = delete;
  Meeting& operator=(const Meeting&) = delete;

  /// All ranks are here. Does not wait.
  bool complete() const;
  /// True behind all ranks; false where `left` became true first.
  bool wait_for_all(const std::atomic<bool>& left);

  enum class Outcome { done, left, counts_differ };
  /// to = the sum of all ranks' `from` in rank order.
  Outcome sum(const float* from, float* to, std::size_t count, const std::atomic<bool>& left);

 private:
  struct Board;
  Board* board_ = nullptr;
  std::string name_;
  int ranks_ = 0;
  int rank_ = 0;
};

}  // namespace anemll::standin
