// A command in a process group of its own, with a pipe or a terminal, as a shell starts a job: signals go to
// it or to its group, keys are typed, the reader of its output leaves or the terminal goes away.
#pragma once

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace anemll::test {

class Job {
 public:
  enum class Output { pipe, terminal };

  /// `command` through the shell, which it replaces when it is a simple one. Signals are at their defaults.
  explicit Job(const std::string& command, Output output = Output::pipe) {
    int ends[2] = {-1, -1};
    if (output == Output::pipe && ::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
    child_ = output == Output::terminal ? ::forkpty(&reader_, nullptr, nullptr, nullptr) : ::fork();
    if (child_ < 0) throw std::runtime_error("fork failed");
    if (child_ == 0) {
      for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGXCPU, SIGUSR1, SIGUSR2, SIGPIPE, SIGQUIT})
        ::signal(number, SIG_DFL);
      if (output == Output::pipe) {
        ::setpgid(0, 0);
        ::dup2(::open("/dev/null", O_RDONLY), 0);
        ::dup2(ends[1], 1);
        ::dup2(ends[1], 2);
      }
      ::execl("/bin/sh", "sh", "-c", ("exec " + command).c_str(), nullptr);
      ::_exit(127);
    }
    if (output == Output::pipe) {
      ::setpgid(child_, child_);
      ::close(ends[1]);
      reader_ = ends[0];
    }
    ::fcntl(reader_, F_SETFL, O_NONBLOCK);
    ::fcntl(reader_, F_SETFD, FD_CLOEXEC);
  }
  ~Job() {
    if (child_ > 0) {
      ::kill(-child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    leave();
  }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  pid_t pid() const { return child_; }
  void signal(int number) const { ::kill(child_, number); }
  void type(const std::string& keys) const {
    [[maybe_unused]] const ssize_t n = ::write(reader_, keys.data(), keys.size());
  }
  /// The reader of its output leaves; a terminal goes away.
  void leave() {
    if (reader_ >= 0) ::close(reader_);
    reader_ = -1;
  }

  /// stdout and stderr so far.
  const std::string& output() {
    read_some();
    return output_;
  }
  bool says(const std::string& text) { return output().find(text) != std::string::npos; }
  /// False when `text` does not come within three minutes or before the end.
  bool wait_for(const std::string& text) {
    return until([&] { return says(text); });
  }
  bool until(const std::function<bool()>& condition) {
    using namespace std::chrono_literals;
    const auto deadline = std::chrono::steady_clock::now() + 180s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline || ended()) return condition();
      wait_a_little();
    }
    return true;
  }
  /// Its exit code, or 128 and the signal that ended it; -1 when it has not ended within three minutes.
  int finish() {
    until([&] { return ended(); });
    read_some();
    if (child_ > 0) return -1;
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  }

 private:
  bool ended() {
    if (child_ > 0 && ::waitpid(child_, &status_, WNOHANG) == child_) child_ = 0;
    return child_ == 0;
  }
  void wait_a_little() const {
    pollfd reading{reader_, POLLIN, 0};
    // The other end may be closed already: then poll returns at once.
    if (reader_ < 0 || (::poll(&reading, 1, 2) > 0 && (reading.revents & POLLIN) == 0))
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  void read_some() {
    char buffer[4096];
    ssize_t n = 0;
    while (reader_ >= 0 && (n = ::read(reader_, buffer, sizeof buffer)) > 0)
      output_.append(buffer, static_cast<std::size_t>(n));
  }

  pid_t child_ = 0;
  int reader_ = -1;
  int status_ = 0;
  std::string output_;
};

}  // namespace anemll::test
