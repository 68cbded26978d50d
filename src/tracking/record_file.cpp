#include "src/tracking/record_file.hpp"

#include "anemll/core/file.hpp"
#include "src/core/hash.hpp"
#include "src/core/system_error.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace anemll {
namespace fs = std::filesystem;

RecordFile::RecordFile(fs::path path) : path_(std::move(path)) {
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) throw_system("cannot create", path_);
}

RecordFile::RecordFile(fs::path path, std::uint64_t bytes) : path_(std::move(path)), bytes_(bytes) {
  fd_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd_ < 0) throw_system("cannot open for writing", path_);
  if (::ftruncate(fd_, static_cast<off_t>(bytes)) == 0) return;
  const std::error_code cause(errno, std::generic_category());
  ::close(fd_);
  throw_system("cannot cut", path_, cause);
}

RecordFile::~RecordFile() {
  if (fd_ >= 0) ::close(fd_);
}

RecordFile::RecordFile(RecordFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), bytes_(other.bytes_) {}

void RecordFile::append(std::string_view bytes) {
  const std::uint64_t all = bytes_ + bytes.size();
  // What an earlier failure could not take back goes first.
  if (::lseek(fd_, 0, SEEK_END) != static_cast<off_t>(bytes_) &&
      ::ftruncate(fd_, static_cast<off_t>(bytes_)) != 0)
    throw_system("cannot write", path_);
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const std::error_code cause(errno, std::generic_category());
      if (::ftruncate(fd_, static_cast<off_t>(bytes_)) != 0) {
        // The next append takes it back.
      }
      throw_system("cannot write", path_, cause);
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  bytes_ = all;
}

void RecordFile::sync() {
  if (::fsync(fd_) != 0 && errno != EINVAL) throw_system("cannot make the data durable", path_);
}

std::string RecordFile::mark(const fs::path& path, std::uint64_t bytes) {
  constexpr std::uint64_t kLooked = 4096;
  constexpr std::size_t kDigits = 12;
  if (!fs::is_regular_file(path)) return {};
  const auto map = MappedFile::open(path);
  if (map->bytes().size() < bytes) return {};
  const std::uint64_t looked = std::min(bytes, kLooked);
  return sha256_hex(map->bytes().subspan(bytes - looked, looked)).substr(0, kDigits);
}

}  // namespace anemll
