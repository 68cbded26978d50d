// A program on a terminal of its own, as a person has it: keys go in, what it shows is read.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

namespace anemll::test {

class TerminalProgram {
 public:
  /// `command` through the shell, in a session of its own.
  explicit TerminalProgram(const std::string& command) {
    keys_ = ::posix_openpt(O_RDWR | O_NOCTTY);
    if (keys_ < 0 || ::grantpt(keys_) != 0 || ::unlockpt(keys_) != 0) throw std::runtime_error("no pty");
    const std::string line = ::ptsname(keys_);
    child_ = ::fork();
    if (child_ != 0) return;
    ::setsid();
    const int terminal = ::open(line.c_str(), O_RDWR);  // the session's own from now on
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(terminal, fd);
    ::close(terminal);
    ::close(keys_);
    ::setenv("TERM", "dumb", 1);
    ::execl("/bin/sh", "sh", "-c", ("exec " + command).c_str(), nullptr);
    ::_exit(127);
  }
  ~TerminalProgram() {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    ::close(keys_);
  }
  TerminalProgram(const TerminalProgram&) = delete;
  TerminalProgram& operator=(const TerminalProgram&) = delete;

  void type(const std::string& keys) {
    if (::write(keys_, keys.data(), keys.size()) != static_cast<ssize_t>(keys.size()))
      throw std::runtime_error("cannot type");
  }

  /// Reads until `text` has come after what earlier calls found. False when the time is over or the program
  /// ended without it.
  bool wait_for(const std::string& text, std::chrono::milliseconds limit = std::chrono::seconds(60)) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (true) {
      const std::size_t at = shown_.find(text, seen_);
      if (at != std::string::npos) {
        seen_ = at + text.size();
        return true;
      }
      if (!read_more(deadline)) return false;
    }
  }

  /// Whether Ctrl-C is a signal at the moment, which it is not while a line is edited.
  bool keys_are_signals() const {
    termios mode{};
    return ::tcgetattr(keys_, &mode) == 0 && (mode.c_lflag & ISIG) != 0;
  }

  /// Until a line is edited. False when that does not come.
  bool wait_for_editing(std::chrono::milliseconds limit = std::chrono::seconds(60)) const {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (keys_are_signals()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      ::poll(nullptr, 0, 2);
    }
    return true;
  }

  /// The exit code, 128 + signal, or -1 when the program goes on.
  int wait_for_end(std::chrono::milliseconds limit = std::chrono::seconds(60)) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (read_more(deadline)) {
    }
    int status = 0;
    while (::waitpid(child_, &status, WNOHANG) != child_) {
      if (std::chrono::steady_clock::now() > deadline) return -1;
      ::poll(nullptr, 0, 2);
    }
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  /// Everything so far, with plain line ends.
  std::string shown() const {
    std::string text;
    for (const char c : shown_) {
      if (c != '\r') text += c;
    }
    return text;
  }

 private:
  bool read_more(std::chrono::steady_clock::time_point deadline) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd keys{keys_, POLLIN, 0};
    if (::poll(&keys, 1, static_cast<int>(left.count())) <= 0) return false;
    char buffer[4096];
    const ssize_t n = ::read(keys_, buffer, sizeof buffer);
    if (n <= 0) return false;  // EIO: nobody has the terminal any more
    shown_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }

  int keys_ = -1;
  pid_t child_ = -1;
  std::string shown_;
  std::size_t seen_ = 0;
};

}  // namespace anemll::test
