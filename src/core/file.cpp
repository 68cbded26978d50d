// Memory maps and durable writes on plain POSIX; every failure becomes a data error that names the path.
#include "anemll/core/file.hpp"

#include "anemll/core/error.hpp"
#include "src/core/system_error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

void sync_descriptor(int fd, const fs::path& path) {
  // Some file systems refuse fsync on directories (EINVAL); the rename is then as durable as it gets.
  if (::fsync(fd) != 0 && errno != EINVAL) throw_system("cannot make the data durable", path);
}

/// A rename replaces whatever has the name: for root a device too. It replaces a link and not what that leads
/// to; but who names a link to a device (/dev/stdout) means the device.
void require_replaceable(const fs::path& path) {
  std::error_code none;
  if (fs::symlink_status(path, none).type() == fs::file_type::directory)
    throw_system("cannot write", path, {EISDIR, std::generic_category()});
  const fs::file_status there = fs::status(path, none);
  if (!fs::exists(there) || fs::is_regular_file(there) || fs::is_directory(there)) return;
  throw_data("is a device, a pipe or a socket, which a file would replace", path.string(),
             "give the path of a file");
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw_system("cannot open for reading", path);
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    if (S_ISDIR(info.st_mode))
      throw_data("is a folder, not a file", path.string(), "give the path of a file in it");
    throw_data("not a regular file", path.string(), "give the path of a file");
  }
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->path_ = path;
  file->size_ = static_cast<std::size_t>(info.st_size);
  if (file->size_ > 0) {
    void* data = ::mmap(nullptr, file->size_, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
      ::close(fd);
      throw_system("cannot map into memory", path);
    }
    file->data_ = static_cast<const std::byte*>(data);
  }
  ::close(fd);
  return file;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::release_pages() const {
  if (data_ != nullptr) ::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED);
}

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  require_replaceable(path_);
  temporary_ = path_;
  temporary_ += ".tmp." + std::to_string(::getpid());
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) throw_system("cannot create", temporary_);
  buffer_ = std::make_unique<std::byte[]>(kBufferBytes);
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  offset_ += bytes.size();
  while (!bytes.empty()) {
    const std::size_t n = std::min(bytes.size(), kBufferBytes - used_);
    std::memcpy(buffer_.get() + used_, bytes.data(), n);
    used_ += n;
    bytes = bytes.subspan(n);
    if (used_ == kBufferBytes) flush();
  }
}

void AtomicFile::write(std::string_view text) {
  write(std::as_bytes(std::span(text.data(), text.size())));
}

void AtomicFile::flush() {
  std::size_t done = 0;
  while (done < used_) {
    const ssize_t n = ::write(fd_, buffer_.get() + done, used_ - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_system("cannot write", path_);
    done += static_cast<std::size_t>(n);
  }
  used_ = 0;
}

void AtomicFile::commit() {
  flush();
  sync_descriptor(fd_, path_);
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) != 0) throw_system("cannot write", path_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int code = errno;
    ::unlink(temporary_.c_str());
    errno = code;
    throw_system("cannot rename the finished file into place", path_);
  }
  sync_directory(path_.parent_path());
}

void write_file(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

std::string read_text(const fs::path& path) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool has_name(const fs::path& path) {
  std::error_code cause;
  const fs::file_status status = fs::symlink_status(path, cause);
  if (!fs::status_known(status)) throw_system("cannot look at", path, cause);
  return fs::exists(status);
}

void sync_directory(const fs::path& directory) {
  const fs::path target = directory.empty() ? fs::path(".") : directory;
  const int fd = ::open(target.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw_system("cannot open the folder", target);
  sync_descriptor(fd, target);
  ::close(fd);
}

void sync_file(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw_system("cannot open", path);
  sync_descriptor(fd, path);
  ::close(fd);
}

void require_space(const fs::path& directory, std::uint64_t bytes) {
  std::error_code code;
  const fs::space_info space = fs::space(directory.empty() ? fs::path(".") : directory, code);
  if (code || space.available >= bytes) return;
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  throw_data("needs " + std::to_string(bytes / kMiB + 1) + " MiB, only " +
                 std::to_string(space.available / kMiB) + " MiB are free",
             directory.string(), "free disk space or choose another folder");
}

}  // namespace anemll
