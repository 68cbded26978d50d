// flock, which belongs to the open file: it also keeps two objects of one process apart.
#include "src/core/file_lock.hpp"

#include "src/core/system_error.hpp"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace anemll {

bool FileLock::take(const std::filesystem::path& file) {
  release();
  fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) {
    throw_system("cannot create the lock", file);
  }
  return lock();
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
}

}  // namespace anemll
