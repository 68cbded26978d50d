#include "src/comm/internal/flight_recorder.hpp"

namespace anemll {

std::uint64_t FlightRecorder::begin(const char* kind, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  ++begun_;
  ++events_;
  ring_[begun_ % kKept] = {begun_, kind, bytes, Clock::now(), std::nullopt};
  return begun_;
}

void FlightRecorder::wait_in(std::uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  ++events_;
  waited_for_ = sequence;
}

void FlightRecorder::go_on() {
  const std::lock_guard lock(mutex_);
  ++events_;
  waited_for_ = 0;
}

void FlightRecorder::end(std::uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  ++events_;
  waited_for_ = 0;
  Collective& entry = ring_[sequence % kKept];
  if (entry.sequence == sequence) entry.ended = Clock::now();  // else a newer one has its place
}

std::vector<FlightRecorder::Collective> FlightRecorder::collectives() const {
  const std::lock_guard lock(mutex_);
  std::vector<Collective> list;
  for (std::uint64_t i = oldest(); i <= begun_; ++i) list.push_back(at(i));
  return list;
}

FlightRecorder::Collective FlightRecorder::last() const {
  const std::lock_guard lock(mutex_);
  return begun_ > 0 ? at(begun_) : Collective{};
}

std::optional<FlightRecorder::Collective> FlightRecorder::waits_in() const {
  const std::lock_guard lock(mutex_);
  if (waited_for_ == 0) return std::nullopt;
  return at(waited_for_);
}

std::uint64_t FlightRecorder::events() const {
  const std::lock_guard lock(mutex_);
  return events_;
}

}  // namespace anemll
