// The process-wide flag that a signal handler needs (the one mutable global of the library), and the thread
// that says that a signal was heard.
#include "src/core/signals.hpp"

#include "src/core/internal/logger.hpp"
#include "src/core/life_signs.hpp"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

namespace anemll {
namespace {

struct Known {
  int number;
  const char* name;
  bool stops;
};
constexpr Known kKnown[] = {{SIGTERM, "SIGTERM", true}, {SIGINT, "SIGINT", true},
                            {SIGHUP, "SIGHUP", true},   {SIGXCPU, "SIGXCPU", true},
                            {SIGUSR1, "SIGUSR1", true}, {SIGUSR2, "SIGUSR2", false}};

// timeout(1) and some terminals' wrappers send a signal to the process and to its group: one Ctrl-C, heard
// twice.
constexpr std::int64_t kSameKeystroke_ns = 200'000'000;

constexpr const char* kDefaultPlan = "leaving at the next safe place, then exit code 75";

/// What the handler tells the watcher.
struct Note {
  int number;
  pid_t sender;  ///< 0: the kernel or a terminal
  const char* plan;
};

struct Shared {
  std::atomic<int> last{0};
  std::atomic<std::int64_t> interrupted_ns{0};  ///< when the first INT came
  std::atomic<int> notes{-1};                   ///< write end of the watcher's pipe
  std::atomic<const char*> plan{kDefaultPlan};
  std::atomic<int> dumps{0};         ///< how many USR2 came
  std::atomic<int> dump_writers{0};  ///< who waits for them
};
Shared shared;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<std::int64_t>::is_always_lock_free &&
                  std::atomic<const char*>::is_always_lock_free,
              "a signal handler may only touch lock-free atomics");

std::int64_t now_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

void note(int number, const siginfo_t* info) {
  const Note text{number, info != nullptr && info->si_code == SI_USER ? info->si_pid : 0,
                  shared.plan.load(std::memory_order_relaxed)};
  // A full pipe loses a line of the log, not the signal.
  [[maybe_unused]] const ssize_t written =
      ::write(shared.notes.load(std::memory_order_relaxed), &text, sizeof text);
}

extern "C" void remember_signal(int number, siginfo_t* info, void*) {
  const int saved = errno;
  if (number == SIGINT) {
    std::int64_t first = 0;
    const std::int64_t now = now_ns();
    if (!shared.interrupted_ns.compare_exchange_strong(first, now) && now - first > kSameKeystroke_ns) {
      // Somebody who presses Ctrl-C twice does not want to wait. Delivered when this handler returns.
      ::signal(SIGINT, SIG_DFL);
      ::raise(SIGINT);
    }
  }
  if (number == SIGUSR2) shared.dumps.fetch_add(1);
  if (number == SIGUSR2 || shared.last.exchange(number) == 0) note(number, info);
  errno = saved;
}

extern "C" void remember_interrupt(int number) {
  shared.last.store(number);
}

extern "C" void leave_without_reader(int) {
  const int saved = errno;
  pollfd out{STDOUT_FILENO, POLLOUT, 0};
  if (::poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP)) != 0) ::_exit(0);
  errno = saved;  // stderr's reader or a socket's other end: the write that failed says so
}

void acknowledge(const Note& note) {
  Logger& logger = Logger::instance();
  // What the launcher sends it sends to all ranks, so one of them need speak.
  const bool speaks_for_all = logger.rank() == 0 || note.sender == ::getppid();
  const LogLevel level = speaks_for_all ? LogLevel::info : LogLevel::warning;
  if (note.number == SIGUSR2) {
    logger.line(level, signal_text(note.number) + (shared.dump_writers.load() > 0
                                                       ? ": a dump is written, the work goes on"
                                                       : ": asks for a dump, which this program has not"));
    return;
  }
  std::string text = signal_text(note.number) + ": " + note.plan;
  if (note.number == SIGINT) text += "; a second Ctrl-C ends at once";
  logger.line(level, text);
}

void watch(int notes) {
  for (;;) {
    Note note{};
    const ssize_t n = ::read(notes, &note, sizeof note);
    if (n == sizeof note) {
      acknowledge(note);
    } else if (n >= 0 || errno != EINTR) {
      return;
    }
  }
}

[[noreturn]] void cannot(const std::string& what, const std::string& where) {
  throw_usage(what + ": " + std::strerror(errno), where, "signals would end the run without saving");
}

/// The watcher lives as long as the process. It takes no signals itself.
void start_watcher() {
  if (shared.notes.load() >= 0) return;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0 || ::fcntl(ends[1], F_SETFL, O_NONBLOCK) != 0)
    cannot("cannot make a pipe", "signals");
  shared.notes.store(ends[1]);
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread(watch, ends[0]).detach();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void handle(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  if (::sigaction(number, &action, nullptr) != 0)
    cannot("cannot install the handler", "signal " + std::to_string(number));
}

}  // namespace

void install_signal_flag() {
  start_watcher();
  struct sigaction action {};
  action.sa_sigaction = remember_signal;
  action.sa_flags = SA_RESTART | SA_SIGINFO;  // file and socket calls under way go on
  sigemptyset(&action.sa_mask);
  sigset_t heard;
  sigemptyset(&heard);
  for (const Known& known : kKnown) {
    struct sigaction before {};
    if (known.number == SIGHUP && ::sigaction(SIGHUP, nullptr, &before) == 0 &&
        (before.sa_flags & SA_SIGINFO) == 0 && before.sa_handler == SIG_IGN) {
      continue;  // nohup: the terminal may go
    }
    if (::sigaction(known.number, &action, nullptr) != 0) cannot("cannot install the handler", known.name);
    sigaddset(&heard, known.number);
  }
  ::pthread_sigmask(SIG_UNBLOCK, &heard, nullptr);  // a parent may have left them blocked
}

void prepare_signals(ProgramKind kind) {
  if (kind != ProgramKind::maker) {
    handle(SIGPIPE, leave_without_reader);
    if (kind == ProgramKind::dialogue) handle(SIGINT, remember_interrupt);
    return;
  }
  handle(SIGPIPE, SIG_IGN);
  handle(SIGXFSZ, SIG_IGN);
  install_signal_flag();
}

int pending_signal() {
  return shared.last.load(std::memory_order_relaxed);
}

std::string signal_text(int number) {
  std::string text = "signal " + std::to_string(number);
  for (const Known& known : kKnown) {
    if (known.number == number) return text + " (" + known.name + ")";
  }
  return text;
}

StopError::StopError(int signal, std::string_view during, std::string_view hint)
    : Error(ExitCode::save_and_requeue, signal_text(signal) + " while " + std::string(during), {},
            std::string(hint)),
      signal_(signal) {}

void leave_on_signal(std::string_view during, std::string_view hint) {
  give_life_sign();
  if (const int signal = pending_signal(); signal != 0) throw StopError(signal, during, hint);
}

StopPlan::StopPlan(const char* text) : before_(shared.plan.exchange(text)) {}
StopPlan::~StopPlan() {
  shared.plan.store(before_);
}

DumpWriter::DumpWriter() {
  ++shared.dump_writers;
}
DumpWriter::~DumpWriter() {
  --shared.dump_writers;
}
int DumpWriter::asked() {
  return shared.dumps.load();
}

void clear_pending_signal() {
  shared.last.store(0);
  shared.interrupted_ns.store(0);
}

}  // namespace anemll
