// The process-wide flag that a signal handler needs: the one mutable global of the library.
#include "anemll/core/signals.hpp"

#include "anemll/core/error.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>

#include <signal.h>

namespace anemll {
namespace {

std::atomic<int> last_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may only touch lock-free atomics");

extern "C" void remember_signal(int number) {
  last_signal.store(number, std::memory_order_relaxed);
}

}  // namespace

void install_signal_flag() {
  struct sigaction action {};
  action.sa_handler = remember_signal;
  action.sa_flags = SA_RESTART;  // file and socket calls under way go on
  sigemptyset(&action.sa_mask);
  for (const int number : {SIGUSR1, SIGTERM, SIGINT}) {
    // Somebody who presses Ctrl-C twice does not want to wait.
    if (number == SIGINT) action.sa_flags |= static_cast<int>(SA_RESETHAND);
    if (::sigaction(number, &action, nullptr) != 0) {
      throw_usage("cannot install the handler: " + std::string(std::strerror(errno)),
                  "signal " + std::to_string(number), "signals would end the run without saving");
    }
  }
}

int pending_signal() {
  return last_signal.load(std::memory_order_relaxed);
}

void leave_on_signal(std::string_view during, std::string_view hint) {
  const int signal = pending_signal();
  if (signal == 0) return;
  throw Error(ExitCode::save_and_requeue,
              "signal " + std::to_string(signal) + " while " + std::string(during), {}, std::string(hint));
}

void clear_pending_signal() {
  last_signal.store(0, std::memory_order_relaxed);
}

}  // namespace anemll
