#include "src/comm/internal/start_timer.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/comm/watchdog.hpp"
#include "src/core/plain_numbers.hpp"
#include "src/core/platform.hpp"
#include "src/core/tool.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <mutex>

#include <signal.h>

namespace anemll {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kVariable = "ANEMLL_INIT_TIMEOUT";
constexpr std::chrono::milliseconds kTick{250};
constexpr double kLongestTick_s = 2;  // a longer one: this process was stopped, which is nobody's hang
constexpr double kTurn_s = 0.5;       // ranks speak one after another: the first ends all
constexpr int kTurns = 10;

[[noreturn]] void end_job(const char* where, int rank, double limit_s) {
  report_error(Error(
      ExitCode::communication,
      strf("rank %d on %s has waited for %s in %s: another rank does not come, or its host or the network "
           "is gone",
           rank, host_name().c_str(), format_seconds(limit_s).c_str(), where),
      "",
      strf(
          "look for a stopped program, a full queue or an unreachable host; where the start only takes long, "
          "give seconds by %s (0: for ever)",
          kVariable)));
  std::_Exit(static_cast<int>(ExitCode::communication));  // mpirun ends the others
}

void wait_out(const std::stop_token& stop, const char* where, int rank, double limit_s) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  const double patience_s = limit_s + kTurn_s * std::min(rank, kTurns);
  double waited_s = 0;
  for (Clock::time_point last = Clock::now(); waited_s <= patience_s;) {
    wake.wait_for(lock, stop, kTick, [] { return false; });
    if (stop.stop_requested()) return;
    const Clock::time_point now = Clock::now();
    waited_s += std::min(std::chrono::duration<double>(now - last).count(), kLongestTick_s);
    last = now;
  }
  end_job(where, rank, limit_s);
}

}  // namespace

double start_limit_s() {
  const char* text = std::getenv(kVariable);
  char* end = nullptr;
  const double given = text != nullptr ? plain_strtod(text, &end) : -1;
  // One that is no number is refused when the options are read.
  return end != text && std::isfinite(given) && given >= 0 ? given : WatchLimits().init;
}

int launched_rank() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"}) {
    if (const char* text = std::getenv(name); text != nullptr) return std::atoi(text);
  }
  return 0;
}

StartTimer::StartTimer(const char* where, int rank, double limit_s) {
  if (limit_s <= 0) return;
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the rank's own thread
  thread_ = std::jthread([=](const std::stop_token& stop) { wait_out(stop, where, rank, limit_s); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

StartTimer::~StartTimer() = default;  // the thread is asked to stop, and waited for

}  // namespace anemll
