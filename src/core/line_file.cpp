// The file under both metric logs: appended line by line, cut only as a whole.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/core/metrics_log.hpp"
#include "src/core/system_error.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace anemll {
LineFile::LineFile(std::filesystem::path path, LogStart start) : path_(std::move(path)) {
  if (start == LogStart::fresh) {
    replace({});
    return;
  }
  open();
  const std::string all = content();
  if (all.empty() || all.back() == '\n') return;
  replace(std::string_view(all).substr(0, all.rfind('\n') + 1));  // npos + 1 is 0: nothing but a half line
}

LineFile::~LineFile() {
  if (fd_ >= 0) ::close(fd_);
}

LineFile::LineFile(LineFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

void LineFile::open() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) throw_system("cannot open for writing", path_);
}

void LineFile::replace(std::string_view content) {
  write_file(path_, content);
  open();
}

std::string LineFile::content() const {
  return read_text(path_);
}

void LineFile::write(std::string_view line) {
  struct stat before {};
  if (::fstat(fd_, &before) != 0) throw_system("cannot write", path_);
  while (!line.empty()) {
    const ssize_t n = ::write(fd_, line.data(), line.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int code = errno;
      if (::ftruncate(fd_, before.st_size) != 0) {
        // The part that fitted stays; the next run to open the file removes it.
      }
      errno = code;
      throw_system("cannot write", path_);
    }
    line.remove_prefix(static_cast<std::size_t>(n));
  }
}

void LineFile::sync() {
  if (::fsync(fd_) != 0 && errno != EINVAL) throw_system("cannot make the data durable", path_);
}

}  // namespace anemll
