// See watchdog.hpp. The rank's own thread and the watching one share Impl under its mutex; the channel is the
// watching thread's alone.
#include "src/comm/watchdog.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/comm/internal/flight_dump.hpp"
#include "src/comm/internal/flight_recorder.hpp"
#include "src/comm/internal/hang.hpp"
#include "src/comm/internal/idle_time.hpp"
#include "src/comm/internal/news_channel.hpp"
#include "src/comm/internal/phase_limits.hpp"
#include "src/comm/internal/start_timer.hpp"
#include "src/core/life_signs.hpp"
#include "src/core/platform.hpp"
#include "src/core/signals.hpp"
#include "src/core/tool.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <signal.h>

namespace anemll {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kTick{250};
constexpr std::chrono::milliseconds kLastTicks{125};  // while mpirun ends the job: a second is left
constexpr double kNews_s = 0.5;                       // between two words to the others
constexpr double kFirstWord_s = 20;                   // by then every rank should have been heard
constexpr double kTold_s = 10;                        // a rank that was not heard of for so long is told
constexpr double kRootSilent_s = 15;                  // after that rank 0 cannot be expected to end the job
constexpr double kOthersDump_s = 1.5;                 // what they get for their dumps
constexpr double kStarvedShare = 0.1;

/// Where the ranks are, when that is more than one place; launch/mpirun.sh reads it when a host is lost.
void tell_hosts(const std::vector<std::string>& hosts) {
  std::map<std::string, std::string> ranks_of;
  for (std::size_t r = 0; r < hosts.size(); ++r) ranks_of[hosts[r]].append(" ").append(std::to_string(r));
  if (ranks_of.size() < 2) return;
  std::string text = "hosts:";
  for (const auto& [host, ranks] : ranks_of) text += strf(" %s ranks%s;", host.c_str(), ranks.c_str());
  log_info(text);
}

}  // namespace

class Watchdog::Impl {
 public:
  Impl(Communicator& comm, const WatchLimits& limits, std::filesystem::path dumps)
      : rank_(comm.rank()),
        options_(limits.options),
        dumps_(std::move(dumps)),
        answered_(DumpWriter::asked()),
        limits_(limits) {
    const StartTimer timer("the start of the watchdog", rank_, limits.init);
    const std::vector<std::string> hosts = gather_strings(comm, host_name());
    for (std::size_t r = 0; r < hosts.size(); ++r) {
      known_.push_back({hosts[r], {}, 0, false});
      known_.back().state.rank = static_cast<std::int32_t>(r);
    }
    if (rank_ == 0) tell_hosts(hosts);
    channel_ = open_news_channel(comm);
    heard_at_s_.assign(hosts.size(), 0);
    told_silent_.assign(hosts.size(), false);
    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the rank's own thread
    thread_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  ~Impl() {
    thread_.request_stop();
    thread_.join();
    if (!channel_) return;
    RankState last = state();
    last.left = 1;
    channel_->send({last, asked_});
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  FlightRecorder& recorder() { return recorder_; }

  void enter(const char* phase, WatchLimit limit) {
    const std::lock_guard lock(mutex_);
    phase_ = phase;
    limit_ = limit;
    ++changes_;
  }

  void step_done(std::int64_t step, double seconds) {
    const std::lock_guard lock(mutex_);
    step_ = step;
    stepped_ = true;
    limits_.step_done(seconds);
    ++changes_;
  }

  /// The folder that it lies in; empty where there is none.
  std::filesystem::path dump(std::string_view reason) {
    std::vector<KnownRank> known;
    {
      const std::lock_guard lock(mutex_);
      known = known_;
      known[own()].state = state();
    }
    const std::vector<FlightRecorder::Collective> collectives = recorder_.collectives();
    const auto file = write_flight(
        dumps_, rank_,
        flight_json(reason, known[own()], static_cast<int>(known.size()), collectives, known, Clock::now()));
    return file.parent_path();
  }

  /// What `error` leaves behind: a dump, and its place in the hint. Errors of the start say all themselves.
  Error with_dump(const Error& error) {
    if (error.code() == ExitCode::usage || (error.code() == ExitCode::data && !stepped())) return error;
    const std::filesystem::path folder = dump("error");
    if (folder.empty()) return error;
    const std::string hint = error.hint().empty() ? "" : error.hint() + "; ";
    return Error(error.code(), error.problem(), error.where(),
                 hint + "what each rank did last is told in " + folder.string());
  }

 private:
  std::size_t own() const { return static_cast<std::size_t>(rank_); }

  /// Programs without steps never have.
  bool stepped() {
    const std::lock_guard lock(mutex_);
    return stepped_;
  }

  /// Under the mutex.
  static bool is_ended() { return pending_signal() == SIGTERM; }

  RankState state() const {
    RankState mine;
    mine.rank = rank_;
    mine.step = step_;
    mine.idle_s = time_.idle_s();
    mine.limit_s = limits_.of(limit_);
    const auto waits_in = recorder_.waits_in();
    const FlightRecorder::Collective shown = waits_in ? *waits_in : recorder_.last();
    mine.waits = waits_in ? std::int16_t{1} : std::int16_t{0};
    mine.sequence = shown.sequence;
    put_text(mine.kind, shown.kind);
    put_text(mine.phase, phase_);
    mine.ended = is_ended() ? std::int16_t{1} : std::int16_t{0};
    return mine;
  }

  void watch(const std::stop_token& stop) {
    Clock::time_point last = Clock::now();
    double told_at_s = -kNews_s;
    for (std::unique_lock lock(mutex_); !stop.stop_requested();) {
      wake_.wait_for(lock, stop, ending_ ? kLastTicks : kTick, [] { return false; });
      const Clock::time_point now = Clock::now();
      pass_time(std::chrono::duration<double>(now - last).count());
      last = now;
      note_signs();
      if (channel_) {
        const bool first_word = listen();
        // So that a new rank hears of rank 0 at once, and rank 0 knows at an end who is still there.
        if (first_word || is_ended() || time_.now_s() - told_at_s >= kNews_s) {
          told_at_s = time_.now_s();
          channel_->send({state(), asked_});
        }
      }
      know_self();
      if (rank_ == 0) {
        tell_unheard();
        tell_silent();
      }
      const bool wanted = answered_ != DumpWriter::asked();
      const bool asked = dumped_ != asked_ && rank_ != 0;
      const std::string text = hung();
      const LastWords words = last_words();
      lock.unlock();
      say(words);
      if (wanted) {
        answered_ = DumpWriter::asked();
        const std::filesystem::path folder = dump("USR2");
        if (!folder.empty() && rank_ == 0) log_info("dump: in " + folder.string());
      }
      if (asked) {
        dumped_ = asked_;
        dump("hang");
      }
      if (!text.empty()) end_job(text);
      lock.lock();
    }
  }

  /// Under the mutex.
  void pass_time(double elapsed_s) {
    const double processor = processor_s();
    const double lacked_s = elapsed_s - (processor - processor_s_);
    processor_s_ = processor;
    // Whether anything wanted the time that was not had; a core that is had most of the time is no question.
    const bool starved = lacked_s > kStarvedShare * elapsed_s && other_thread_is_ready();
    time_.tick(elapsed_s, starved ? lacked_s : 0, recorder_.waits_in().has_value());
  }

  void note_signs() {
    const std::uint64_t signs = changes_ + recorder_.events() + life_signs();
    if (signs != signs_) time_.sign();
    signs_ = signs;
  }

  /// Whether a rank was heard for the first time.
  bool listen() {
    bool first_word = false;
    channel_->receive([&](const NewsChannel::News& news) {
      const auto r = static_cast<std::size_t>(news.state.rank);
      if (r >= known_.size()) return;
      known_[r].state = news.state;
      first_word |= !known_[r].heard;
      known_[r].heard = true;
      heard_at_s_[r] = time_.now_s();
      if (r == 0) asked_ = news.dumps;
    });
    return first_word;
  }

  void know_self() {
    known_[own()].state = state();
    known_[own()].heard = true;
    heard_at_s_[own()] = time_.now_s();
    for (std::size_t r = 0; r < known_.size(); ++r) known_[r].silent_s = time_.now_s() - heard_at_s_[r];
  }

  /// Why the job must end; empty when it need not.
  std::string hung() const {
    if (rank_ == 0) return is_hung(known_) ? hang_text(known_) : "";
    // Rank 0 decides, unless it has fallen silent. The others then speak one after another: the first ends
    // all.
    const KnownRank& mine = known_[own()];
    const double turn_s = std::min(rank_ - 1, 10);
    const std::array<KnownRank, 2> seen{known_.front(), mine};
    // Where rank 0 was never heard of it may be at work, so this waits for longer than it does for all
    // others.
    const double patience_s = known_.front().heard ? kRootSilent_s : 2 * mine.state.limit_s + kFirstWord_s;
    const bool gone = known_.front().silent_s > patience_s + turn_s &&
                      (known_.front().heard || mine.state.idle_s > patience_s);
    return gone && is_hung(std::span(seen).subspan(1)) ? hang_text(std::span(seen).first(1)) : "";
  }

  /// What is to be said and done while mpirun ends the job, each once.
  struct LastWords {
    std::vector<std::string> lost;
    bool dump = false;
    bool told = false;  ///< by the error of a rank that has left: where dumps lie
  };

  /// mpirun sends TERM to ranks when it has lost another one, and KILL a second later. A rank that was in a
  /// collective then, and still is, was kept there by the one that is lost.
  LastWords last_words() {
    LastWords last;
    if (!is_ended()) return last;
    const auto waits_in = recorder_.waits_in();
    const std::uint64_t sequence = waits_in ? waits_in->sequence : 0;
    if (ending_) {
      last.dump = sequence != 0 && sequence == std::exchange(sequence_at_end_, 0);
    } else {
      ending_ = true;
      sequence_at_end_ = sequence;
    }
    if (!told_lost_ && tells_of_lost(rank_, known_))
      last.lost = lost_texts(known_, known_[static_cast<std::size_t>(rank_)].host);
    told_lost_ = told_lost_ || !last.lost.empty();
    last.told =
        std::any_of(known_.begin(), known_.end(), [](const KnownRank& r) { return r.state.left != 0; });
    return last;
  }

  void say(const LastWords& last) {
    for (const std::string& line : last.lost) log_warning(line);
    if (!last.dump) return;
    const std::filesystem::path folder = dump("TERM");
    if (!folder.empty() && rank_ == 0 && !last.told) log_info("dumps of the ranks: " + folder.string());
  }

  /// A rank that falls silent is told long before its limit: mpirun may notice a lost host first, and knows
  /// no ranks.
  void tell_silent() {
    for (KnownRank& rank : known_) {
      const auto r = static_cast<std::size_t>(rank.state.rank);
      const bool silent = rank.heard && rank.state.left == 0 && rank.silent_s > kTold_s;
      if (silent && !told_silent_[r]) {
        log_warning(
            strf("rank %d on %s has not been heard of for %s (phase %s, step %lld): it is stopped, or its "
                 "host or the network is gone; all others wait for it",
                 rank.state.rank, rank.host.c_str(), format_seconds(rank.silent_s).c_str(), rank.state.phase,
                 static_cast<long long>(rank.state.step)));
      }
      told_silent_[r] = silent;
    }
  }

  void tell_unheard() {
    if (told_unheard_ || time_.now_s() < kFirstWord_s) return;
    told_unheard_ = true;
    for (const KnownRank& rank : known_) {
      if (rank.heard) continue;
      log_warning(
          strf("the watchdog hears nothing of rank %d on %s (UDP to this host does not arrive): should it "
               "hang, it will not be named",
               rank.state.rank, rank.host.c_str()));
    }
  }

  [[noreturn]] void end_job(const std::string& text) {
    report_error(
        Error(ExitCode::communication, text, "dumps of the ranks: " + dumps_.string(),
              strf("what was saved is untouched, --resume goes on from it; where nothing was wrong, raise %s "
                   "(the limit was %g seconds)",
                   options_, known_[own()].state.limit_s)));
    ++asked_;
    if (channel_) channel_->send({known_[own()].state, asked_});
    dump("hang");
    std::this_thread::sleep_for(std::chrono::duration<double>(kOthersDump_s));
    std::_Exit(static_cast<int>(ExitCode::communication));  // mpirun ends the others
  }

  const int rank_;
  const char* const options_;  ///< what sets the limits
  const std::filesystem::path dumps_;
  const DumpWriter writer_;
  FlightRecorder recorder_;
  std::unique_ptr<NewsChannel> channel_;
  std::vector<bool> told_silent_;
  bool told_unheard_ = false;  ///< this and the next ones: of the watching thread
  int answered_;               ///< signals USR2
  std::int32_t dumped_ = 0;    ///< rank 0's wishes
  bool ending_ = false;        ///< TERM has come
  bool told_lost_ = false;
  std::uint64_t sequence_at_end_ = 0;  ///< of the collective in which TERM came; 0: none, or looked at

  std::mutex mutex_;
  std::condition_variable_any wake_;
  const char* phase_ = "start";
  WatchLimit limit_ = WatchLimit::init;
  std::int64_t step_ = 0;
  bool stepped_ = false;
  PhaseLimits limits_;
  std::uint64_t changes_ = 0, signs_ = 0;
  IdleTime time_;
  double processor_s_ = 0;  ///< that the process has had so far
  std::int32_t asked_ = 0;
  std::vector<KnownRank> known_;
  std::vector<double> heard_at_s_;
  std::jthread thread_;
};

Watchdog::Watchdog(Communicator& comm, const WatchLimits& limits, std::filesystem::path dumps)
    : impl_(std::make_unique<Impl>(comm, limits, std::move(dumps))) {}
Watchdog::~Watchdog() = default;

void Watchdog::guard(Communicator& world, const std::function<void(Communicator&)>& body) {
  const auto recorded = record(world);
  try {
    body(*recorded);
  } catch (const StopError&) {
    throw;
  } catch (...) {
    if (world.size() == 1) throw;
    throw impl_->with_dump(current_error());
  }
}

std::unique_ptr<Communicator> Watchdog::record(Communicator& inner) {
  return make_recorded_communicator(inner, impl_->recorder());
}

void Watchdog::enter(const char* phase, WatchLimit limit) {
  impl_->enter(phase, limit);
}

void Watchdog::step_done(std::int64_t step, double seconds) {
  impl_->step_done(step, seconds);
}

void Watchdog::dump(std::string_view reason) {
  impl_->dump(reason);
}

}  // namespace anemll
