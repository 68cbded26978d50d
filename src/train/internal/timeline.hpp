// Where the time of a run goes: seconds by part, and on demand every stretch of them as an event. One rank
// has one; one thread uses it. Parts may lie within each other: each second counts for the innermost.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace anemll {

/// What a rank is doing.
enum class RunPart : std::uint8_t {
  start,      ///< everything before the life of the run
  data,       ///< waiting for a batch
  forward,    ///< a batch to hidden states
  head,       ///< the loss and its gradient
  backward,   ///< with the part of the reduction that it hides
  reduction,  ///< waiting for the other ranks
  update,     ///< clipping and the optimiser
  evaluation,
  files,  ///< states, checkpoints, last files
};
inline constexpr std::size_t kRunParts = 9;
std::string_view name_of(RunPart part);

class Timeline {
 public:
  using Clock = std::chrono::steady_clock;

  /// Its time begins now.
  Timeline() : began_(Clock::now()), began_at_(std::chrono::system_clock::now()) {}

  /// From its making to its end the time is of one part. Ends in the reverse order of making; the timeline
  /// stays where it is meanwhile.
  class Span {
   public:
    Span(Timeline& timeline, RunPart part);
    ~Span();
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;

   private:
    friend class Timeline;
    Timeline& timeline_;
    RunPart part_;
    Span* around_;
    Clock::time_point began_;
    Clock::duration within_{};  // of spans in this one
  };

  Clock::time_point began() const { return began_; }
  /// Everything up to now is the start.
  void end_start();
  /// Spans become events for `file`; of several ranks each has its own, "trace.rank0.json". A usage error
  /// when there is no such folder.
  void keep_events(const std::filesystem::path& file, int rank, int ranks);
  /// Told of every change of the innermost part; nothing where the rank is in none.
  void on_change(std::function<void(std::optional<RunPart>)> heard) { heard_ = std::move(heard); }
  /// Shown with the events from here on.
  void set_step(std::int64_t step) { step_ = step; }

  double seconds(RunPart part) const;
  /// Since its beginning, all parts and what is in none of them.
  double wall_seconds() const;
  /// "time 3m 20s: forward 40.1%, ..., rest 0.6%": parts in their order, those without time left out. The
  /// shares sum to 100% but for their rounding.
  std::string line() const;
  /// {"forward": seconds, ..., "rest": ...}
  std::string json() const;
  /// The events in the format of chrome://tracing, under a name that nothing has yet; nothing without
  /// keep_events. A file that cannot be written is a warning.
  void write() const;

 private:
  struct Event {
    Clock::time_point began;
    Clock::duration length;
    std::int64_t step;
    RunPart part;
  };
  void add(RunPart part, Clock::time_point began, Clock::duration whole, Clock::duration own);
  std::string trace_json() const;
  void tell() const;

  Clock::time_point began_;
  std::chrono::system_clock::time_point began_at_;
  std::array<Clock::duration, kRunParts> spent_{};
  Span* innermost_ = nullptr;
  std::function<void(std::optional<RunPart>)> heard_;
  std::filesystem::path file_;
  int rank_ = 0;
  std::int64_t step_ = 0;
  std::int64_t left_out_ = 0;
  std::vector<Event> events_;
};

}  // namespace anemll
