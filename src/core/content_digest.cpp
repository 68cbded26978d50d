// See content_digest.hpp. Reads by plain pread, so that pages of files that others map are not touched.
#include "src/core/content_digest.hpp"

#include "anemll/core/error.hpp"
#include "src/core/hash.hpp"
#include "src/core/system_error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kWhole = std::uint64_t{64} << 20;
constexpr std::uint64_t kBlock = std::uint64_t{16} << 10;
constexpr std::uint64_t kBlocks = 1024;

[[noreturn]] void fail(const fs::path& path, int code) {
  throw_system("cannot be read", path, {code, std::generic_category()}, "check the path on every host",
               "look on every host");
}

class OpenFile {
 public:
  explicit OpenFile(const fs::path& path) : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) fail(path_, errno);
  }
  ~OpenFile() { ::close(fd_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  void hash(Sha256& sha, std::uint64_t from, std::uint64_t bytes) {
    for (std::uint64_t at = from; at < from + bytes;) {
      const auto wanted =
          static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), from + bytes - at));
      const ::ssize_t got = ::pread(fd_, buffer_.data(), wanted, static_cast<::off_t>(at));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail(path_, errno);
      if (got == 0) return;  // became shorter; its size is part of the hash
      sha.update(std::span<const std::byte>(buffer_.data(), static_cast<std::size_t>(got)));
      at += static_cast<std::uint64_t>(got);
    }
  }

 private:
  fs::path path_;
  int fd_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(std::size_t{1} << 18);
};

}  // namespace

std::string content_digest(std::span<const fs::path> files) {
  std::vector<std::uint64_t> sizes;
  std::uint64_t total = 0;
  for (const fs::path& file : files) {
    std::error_code code;
    sizes.push_back(fs::file_size(file, code));
    if (code) fail(file, code.value());
    total += sizes.back();
  }
  const std::uint64_t stride = total <= kWhole ? 0 : std::max(total / kBlocks, kBlock);
  Sha256 sha;
  for (std::size_t i = 0; i < files.size(); ++i) {
    sha.update(files[i].filename().string() + '\n' + std::to_string(sizes[i]) + '\n');
    OpenFile file(files[i]);
    if (stride == 0) {
      file.hash(sha, 0, sizes[i]);
      continue;
    }
    for (std::uint64_t at = 0; at < sizes[i]; at += stride)
      file.hash(sha, at, std::min(kBlock, sizes[i] - at));
    const std::uint64_t tail = std::min(kBlock, sizes[i]);
    file.hash(sha, sizes[i] - tail, tail);
  }
  return sha.finish_hex();
}

}  // namespace anemll
