// What the code under test writes to a file descriptor (stdout or stderr), caught in a file or a terminal.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace anemll::test {

/// Redirects `fd` for its lifetime; `text` ends the redirection and returns what was written.
class Capture {
 public:
  enum class To { file, terminal };

  explicit Capture(int fd, To to = To::file) : fd_(fd) {
    flush();
    saved_ = ::dup(fd_);
    if (to == To::file) {
      std::string name = (std::filesystem::temp_directory_path() / "anemll_capture_XXXXXX").string();
      reader_ = ::mkstemp(name.data());
      std::filesystem::remove(name);
      if (reader_ < 0) throw std::runtime_error("mkstemp failed");
      ::dup2(reader_, fd_);
      return;
    }
    terminal_ = true;
    reader_ = ::posix_openpt(O_RDWR | O_NOCTTY);
    if (reader_ < 0 || ::grantpt(reader_) != 0 || ::unlockpt(reader_) != 0)
      throw std::runtime_error("no pty");
    const int line = ::open(::ptsname(reader_), O_RDWR | O_NOCTTY);
    ::dup2(line, fd_);
    ::close(line);
    ::fcntl(reader_, F_SETFL, O_NONBLOCK);
  }
  ~Capture() { restore(); }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  std::string text() {
    flush();
    if (!terminal_) ::lseek(reader_, 0, SEEK_SET);
    std::string all;
    char buffer[4096];
    for (ssize_t n; (n = ::read(reader_, buffer, sizeof buffer)) > 0;)
      all.append(buffer, static_cast<std::size_t>(n));
    restore();
    return all;
  }

 private:
  static void flush() {
    std::cout.flush();
    std::fflush(nullptr);
  }
  void restore() {
    if (saved_ < 0) return;
    flush();
    ::dup2(saved_, fd_);
    ::close(std::exchange(saved_, -1));
    ::close(reader_);
  }

  int fd_;
  int saved_ = -1;
  int reader_ = -1;
  bool terminal_ = false;
};

}  // namespace anemll::test
