// What a rank last did with the other ranks: the newest collectives in a ring, kept while it runs and looked
// at when it hangs. Any thread may read it while the rank writes.
#pragma once

#include "anemll/comm/communicator.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace anemll {

class FlightRecorder {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kKept = 256;

  struct Collective {
    std::uint64_t sequence = 0;  ///< from 1; the same on all ranks for the same call
    const char* kind = "";       ///< a literal
    std::uint64_t bytes = 0;     ///< of this rank
    Clock::time_point began;
    std::optional<Clock::time_point> ended;
  };

  /// Returns its sequence number.
  std::uint64_t begin(const char* kind, std::uint64_t bytes);
  /// From now on the rank does nothing but wait for it.
  void wait_in(std::uint64_t sequence);
  /// It does other things again, though the collective has not ended.
  void go_on();
  void end(std::uint64_t sequence);

  /// From the oldest that is kept to the newest.
  std::vector<Collective> collectives() const;
  /// The newest; sequence 0 when there was none.
  Collective last() const;
  /// The one that the rank waits in now.
  std::optional<Collective> waits_in() const;
  /// Grows with each of the four calls above.
  std::uint64_t events() const;

 private:
  const Collective& at(std::uint64_t sequence) const { return ring_[sequence % kKept]; }
  std::uint64_t oldest() const { return begun_ < kKept ? 1 : begun_ - kKept + 1; }

  mutable std::mutex mutex_;
  std::array<Collective, kKept> ring_;
  std::uint64_t begun_ = 0;
  std::uint64_t waited_for_ = 0;  ///< 0: none
  std::uint64_t events_ = 0;
};

/// `inner` with every collective noted in `recorder`; both must outlive it. Several communicators may share
/// one recorder. An asynchronous sum lasts from its start to the end of its wait(). One that a device then
/// still works on lasts until it is seen to be over: by settle(), or at the next call of the communicator.
std::unique_ptr<Communicator> make_recorded_communicator(Communicator& inner, FlightRecorder& recorder);

}  // namespace anemll
