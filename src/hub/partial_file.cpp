#include "src/hub/internal/partial_file.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/hub/internal/repo_cache.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace anemll {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void throw_errno(const std::string& action, const fs::path& path) {
  throw_unwritable(path, {errno, std::generic_category()}, action, "; a download goes on where it was");
}

bool is_leftover(const std::string& name, const std::string& blob) {
  // <blob>.incomplete or <blob>.<8 hex>.incomplete
  if (!name.starts_with(blob + ".") || !name.ends_with(".incomplete")) return false;
  const std::size_t middle = name.size() - std::string(".incomplete").size() - blob.size();
  return middle == 0 ||
         (middle == 9 && name.find_first_not_of("0123456789abcdef", blob.size() + 1) == blob.size() + 9);
}

std::optional<fs::path> find_leftover(const fs::path& blob, std::optional<std::uint64_t> size) {
  std::optional<fs::path> best;
  std::uintmax_t most = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(blob.parent_path(), ignored)) {
    if (!is_leftover(entry.path().filename().string(), blob.filename().string())) continue;
    if (!entry.is_regular_file(ignored) || entry.is_symlink(ignored)) continue;
    const std::uintmax_t bytes = entry.file_size(ignored);
    if (ignored || bytes <= most || (size && bytes > *size)) continue;
    most = bytes;
    best = entry.path();
  }
  return best;
}

}  // namespace

std::uint64_t leftover_bytes(const fs::path& blob, std::optional<std::uint64_t> size) {
  std::error_code code;
  const auto left = find_leftover(blob, size);
  const std::uintmax_t bytes = left ? fs::file_size(*left, code) : 0;
  return code ? 0 : bytes;
}

PartialFile::PartialFile(const fs::path& blob, bool adopt, std::optional<std::uint64_t> size)
    : blob_(blob), path_(blob.string() + "." + unique_suffix() + ".incomplete") {
  if (const auto left = adopt ? find_leftover(blob, size) : std::nullopt) {
    // Of two who want it, one gets it.
    if (::rename(left->c_str(), path_.c_str()) == 0) fd_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ >= 0) {
      const off_t end = ::lseek(fd_, 0, SEEK_END);
      if (end < 0) throw_errno("cannot seek", path_);
      size_ = static_cast<std::uint64_t>(end);
      log(LogLevel::debug, "going on at byte " + std::to_string(size_) + " of " + path_.string());
      return;
    }
  }
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd_ < 0) throw_errno("cannot create", path_);
}

PartialFile::~PartialFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (!keep_ || size_ == 0) ::unlink(path_.c_str());
}

void PartialFile::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("cannot write", path_);
    size_ += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void PartialFile::restart() {
  if (::ftruncate(fd_, 0) != 0 || ::lseek(fd_, 0, SEEK_SET) != 0) throw_errno("cannot start anew", path_);
  size_ = 0;
}

void PartialFile::commit() {
  // A full disk may show only now.
  if (::fsync(fd_) != 0 && errno != EINVAL) throw_errno("cannot make the data durable", path_);
  if (::close(std::exchange(fd_, -1)) != 0) throw_errno("cannot write", path_);
  if (::rename(path_.c_str(), blob_.c_str()) != 0) throw_errno("cannot rename into place", path_);
  sync_directory(blob_.parent_path());
}

}  // namespace anemll
