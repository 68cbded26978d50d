// flock, which belongs to the open file: it also keeps two objects of one process apart.
#include "src/core/file_lock.hpp"

#include "src/core/system_error.hpp"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace anemll {

bool FileLock::take(const std::filesystem::path& file) {
  constexpr int kTries = 3;
  release();
  for (int i = 0; i < kTries; ++i) {
    fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    const bool made = fd_ >= 0;
    if (!made) fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd_ < 0) throw_system("cannot create the lock", file);
    if (!lock()) return false;
    if (made) made_ = std::filesystem::absolute(file);
    struct stat facts {};
    const bool gone = ::fstat(fd_, &facts) == 0 && facts.st_nlink == 0;
    if (!gone) return true;
    release();  // its holder left, and took the file with it
  }
  return false;
}

bool FileLock::take_folder(const std::filesystem::path& folder) {
  release();
  fd_ = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd_ < 0) {
    throw_system("cannot open the folder", folder);
  }
  return lock();
}

bool FileLock::lock() {
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return true;
  release();
  return false;
}

void FileLock::release() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  made_.clear();
}

void FileLock::leave() {
  struct stat own {
  }, there{};
  const bool is_there = fd_ >= 0 && !made_.empty() && ::fstat(fd_, &own) == 0 &&
                        ::stat(made_.c_str(), &there) == 0 && own.st_dev == there.st_dev &&
                        own.st_ino == there.st_ino;
  if (is_there) ::unlink(made_.c_str());  // while it is held: see take
  release();
}

}  // namespace anemll
